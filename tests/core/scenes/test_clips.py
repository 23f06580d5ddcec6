"""What can be asked throughout a clip, and the clip as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.scenes import Generator, Scene
from egm_core.scenes.files import clips
from egm_core.scenes.language.expressions import absents, expressions


@pytest.fixture(scope="module")
def moving(generator: Generator) -> list[Scene]:
    return list(generator.clip(557, 8, 2.0, world="tabletop"))


def test_instructions_mean_the_same_object_all_along(moving: list[Scene]) -> None:
    asked = clips.instructions(moving, 4)
    assert len(asked) >= 2
    assert len({instruction.text for instruction in asked}) == len(asked)
    for instruction in asked[:-1]:
        assert instruction.target is not None
        seen = [scene for scene in moving if scene.objects[instruction.target].visible_fraction >= clips.MIN_VISIBLE]
        assert len(seen) >= clips.MIN_SHOWN * len(moving)
        for scene in seen:
            assert (instruction.text, instruction.target) in {(e.text, e.target) for e in expressions(scene)}
    last = asked[-1]
    assert last.kind == "absent"
    assert last.target is None
    assert all(last.text in {found.text for found in absents(scene)} for scene in moving)


def test_a_clip_is_kept_with_its_truth(moving: list[Scene], tmp_path: Path) -> None:
    asked = clips.instructions(moving, 3)
    clips.write(tmp_path, moving, 2.0, asked)
    manifest = json.loads((tmp_path / "clip.json").read_text())
    assert (manifest["fps"], manifest["world"], manifest["seed"]) == (2.0, "tabletop", 557)
    assert manifest["camera"]["fx"] == pytest.approx(moving[0].camera.fx)
    assert [entry["text"] for entry in manifest["instructions"]] == [instruction.text for instruction in asked]
    assert len(manifest["frames"]) == len(moving)
    for frame, scene in zip(manifest["frames"], moving, strict=True):
        image = cv2.cvtColor(cv2.imread(str(tmp_path / frame["file"])), cv2.COLOR_BGR2RGB)
        assert np.abs(image.astype(int) - scene.image).mean() < 4
        for entry, truth in zip(frame["objects"], scene.objects, strict=True):
            assert (entry["category"], entry["color"]) == (truth.category, truth.color)
            np.testing.assert_allclose(entry["visible"], truth.visible, atol=0.01)
            np.testing.assert_allclose(entry["amodal"], truth.amodal, atol=0.01)
