"""Generated scenes as sample files: `refer` and `amodal` must give what `scenes` gives on the same questions."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.queries import Query, scene_queries
from egm_core.sample import Sample, write_samples
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene

SCENES = 3


def sample(scene: Scene, query: Query, number: int, picture: Path) -> Sample:
    return Sample(
        image=str(picture), sent=query.text, bbox=query.visible, amodal_bbox=query.amodal, visible_fraction=None,
        height=scene.height, width=scene.width, source="egm_scenes", world=scene.world, split="evaluation",
        task=query.task, image_id=str(scene.seed), sentence_id=str(number),
    )  # fmt: skip


def written(folder: Path) -> Path:
    samples = []
    for scene in rendered(EVALUATION_FIRST_SEED, SCENES):
        picture = folder / f"{scene.seed}.png"
        cv2.imwrite(str(picture), cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
        samples += [sample(scene, query, n, picture) for n, query in enumerate(scene_queries(scene, 2))]
    write_samples(folder / "scenes.jsonl", samples)
    return folder / "scenes.jsonl"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_samples_of_scenes_are_scored_as_the_scenes_themselves(tmp_path):
    whole = tmp_path / "scenes.json"
    common = ["--scenes", str(SCENES), "--queries-per-scene", "2", "--threads", "1"]
    assert main(["scenes", *common, "--mode", "paper", "--json", str(whole)]) == 0
    file = written(tmp_path)
    wanted = {(str(row["seed"]), row["task"], row["text"]): row for row in json.loads(whole.read_text())["rows"]}
    found = {}
    for verb in ("refer", "amodal"):
        out = tmp_path / f"{verb}.json"
        assert main([verb, str(file), "--mode", "paper", "--at-least", "--threads", "1", "--json", str(out)]) == 0
        found |= {(row["image_id"], row["task"], row["text"]): row for row in json.loads(out.read_text())["rows"]}
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        for name in ("outcome", "reason", "correct", "truth", "tokens", "thinking"):
            assert row[name] == wanted[key][name], (key, name)
        for name in ("iou", "box"):
            assert row[name] == pytest.approx(wanted[key][name], abs=1e-9), (key, name)
        assert row["score"] == pytest.approx(wanted[key]["score"], rel=1e-3), key
