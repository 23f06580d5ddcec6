"""The embedded model answers about the package's clips as it did when its golden boxes were kept."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="no transformers to answer with")
# Behind what is installed: tools holds a file vision_msgs.
sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
import golden

from egm_core.models.calibration import weights_digest
from egm_core.models.folder import EMBEDDED, resolve
from egm_core.scenes.truth import WORLDS


@pytest.mark.slow
def test_the_embedded_model_gives_its_golden_boxes() -> None:
    kept = golden.kept()
    assert not golden.stale(kept, weights_digest(resolve(EMBEDDED)))
    told = golden.differences(kept, golden.made(resolve(EMBEDDED)))
    print("\n".join(told))
    assert not golden.changed(kept, told), "if this is meant to be, keep the new ones: " + golden.COMMAND


def test_they_are_about_both_worlds_and_all_outcomes_that_matter() -> None:
    kept = golden.kept()
    assert set(kept) == set(WORLDS)
    answers = [answer for world in kept.values() for answer in world["answers"]]
    assert len(answers) >= 24
    assert {"found", "absent"} <= {answer["outcome"] for answer in answers}
    assert sum(answer["amodal"] is not None for answer in answers) >= 6


def test_one_answer_in_ten_may_be_another_one() -> None:
    kept = golden.kept()
    count = sum(len(world["answers"]) for world in kept.values())
    assert not golden.changed(kept, ["one"] * (count // 10)) and golden.changed(kept, ["one"] * (count // 10 + 1))


def test_other_weights_and_missing_files_name_the_command() -> None:
    kept = golden.kept()
    told = golden.stale(kept, "0" * 64)
    assert "tabletop, street belong to other weights" in told and golden.COMMAND in told
    assert golden.stale({}, "0" * 64)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, 0),
        ({"visible": [11.9, 10.0, 20.0, 20.0]}, 0),
        ({"visible": [12.1, 10.0, 20.0, 20.0]}, 1),
        ({"amodal": [10.0, 10.0, 20.0, 20.0]}, 1),
        ({"visible": None}, 1),
        ({"outcome": "error"}, 1),
        ({"raw_score": 0.52}, 0),
        ({"raw_score": 0.6}, 1),
        ({"instruction": "the bowl"}, 2),
    ],
)
def test_what_counts_as_a_difference(change: dict[str, Any], told: int, tmp_path: Path) -> None:
    answer = {"file": "000.jpg", "instruction": "the mug", "outcome": "found", "visible": [10.0, 10.0, 20.0, 20.0]}
    answer |= {"amodal": None, "raw_score": 0.5}
    then = {"street": {"weights_sha256": "1", "answers": [answer]}}
    golden.write(tmp_path, then)
    assert golden.kept(tmp_path) == then
    now = copy.deepcopy(then)
    now["street"]["answers"][0] |= change
    assert len(golden.differences(golden.kept(tmp_path), now)) == told
