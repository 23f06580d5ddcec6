"""gRefCOCO's expressions about none, one and several objects, asked for every match and scored by both rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
import misbehaving

from egm_core.command.evaluate import main
from egm_core.evaluate.every import theirs
from egm_core.evaluate.every.grefcoco import read

WIDE, HIGH = 200, 100
BOXES = {11: [10, 10, 40, 40], 12: [100, 10, 40, 40], 13: [20, 60, 0, 20], 21: [0, 0, 50, 50]}
SIZES = {1: (WIDE, HIGH), 2: (WIDE, HIGH), 3: (WIDE, HIGH)}
# What the server lists, whatever it is asked: the two objects, in thousandths of the picture.
SAID = "says:" + json.dumps([{"bbox_2d": [50, 100, 250, 500]}, {"bbox_2d": [500, 100, 700, 500]}])


def ref(number: int, image: int, annotations: Any, *sents: str, split: str = "val") -> dict[str, Any]:
    said = [{"sent_id": 10 * number + at, "sent": sent} for at, sent in enumerate(sents)]
    return {"ref_id": number, "image_id": image, "ann_id": annotations, "split": split, "sentences": said}


REFS = [
    ref(0, 1, [11, 12], "two mugs", "both mugs on the left"),
    ref(1, 1, [11], "the left mug"),
    ref(2, 1, [-1], "the blue mug"),
    ref(3, 1, [12, 13], "the mug and the line"),
    ref(4, 1, [12, 12], "the right mug", "."),
    ref(5, 3, [-1], "a dog"),
    ref(6, 1, [11], "of another split", split="train"),
    ref(7, 2, [21], "the corner"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data set's folder: picture 3 is missing, and picture 2 is smaller than its record says."""
    annotations = [
        {"id": key, "image_id": key // 10, "bbox": box, "category_id": 1} for key, box in BOXES.items()
    ]  # fmt: skip
    images = [{"id": key, "file_name": f"{key}.png", "width": w, "height": h} for key, (w, h) in SIZES.items()]
    instances = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "mug"}]}
    (tmp_path / "grefs(unc).json").write_text(json.dumps(REFS))
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    cv2.imwrite(str(tmp_path / "1.png"), np.full((HIGH, WIDE, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((HIGH // 2, WIDE // 2, 3), 128, np.uint8))
    return tmp_path


@pytest.fixture
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        server.model = SAID
        yield server


def test_expressions_about_several_are_kept_and_what_is_left_out_is_counted_by_name(root: Path) -> None:
    posed, told = read(root, ["val"], None, None, None)
    asked = {one.text: one for each in posed for one in each.questions}
    assert {text: one.targets for text, one in asked.items()} == {
        "two mugs": "several", "both mugs on the left": "several", "the left mug": "one", "the blue mug": "none",
        "the right mug": "one", "the corner": "one",
    }  # fmt: skip
    assert asked["two mugs"].visible == ((10, 10, 50, 50), (100, 10, 140, 50))
    assert dict(asked["two mugs"].origin) == {"image_id": "1", "ref_id": "0", "sentence_id": "0", "split": "val"}
    words = "\n".join(told)
    for left_out in (
        "1: expressions of which the box has no area", "1: objects that a reference names twice",
        "1: expressions without a word", "1: expressions about a missing picture",
    ):  # fmt: skip
        assert f"left out {left_out}" in words
    assert len(told) == 5 and "1 pictures are missing" in words
    again = [[one.text for each in read(root, ["val"], None, None, 3)[0] for one in each.questions] for _ in range(2)]
    assert len(again[0]) == 3 and again[0] == again[1]


def test_the_command_asks_them_and_prints_both_rules(
    root: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    out = root / "out.json"
    words = ["every", "--grefcoco", str(root), "--split", "val", "--engine-url", server.url, "--json", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr()
    rows = {line.split("|")[1].strip(): [cell.split()[0] for cell in line.split("|")[2:-1] if cell.strip()]
            for line in printed.out.splitlines() if line.startswith("| ")}  # fmt: skip
    # One about none, two about one and two about several; always the same two boxes are said.
    assert rows["F1 = 1, visible"] == rows["F1 = 1 by gRefCOCO's code"] == ["0.0", "0.0", "100.0", "40.0"]
    assert rows["N-acc"] == rows["N-acc by gRefCOCO's code"] == ["0.0"]
    assert rows["T-acc"] == rows["T-acc by gRefCOCO's code"] == ["100.0", "100.0"]
    assert "| none (n 1) | one (n 2) | several (n 2) | all (n 5) |" in printed.out
    assert "every match in 2 images of gRefCOCO (val)" in printed.out and "amodal" not in printed.out
    assert (
        "left out 1 expressions about" in printed.err and "it is 100 x 50, and its record says 200 x 100" in printed.err
    )
    assert all("every object that matches" in body["messages"][0]["content"][1]["text"] for body in server.bodies)
    kept = json.loads(out.read_text())
    assert (kept["about"]["images"], kept["about"]["split"], len(kept["answers"])) == (2, ["val"], 5)
    assert {one["ref_id"] for one in kept["answers"]} == {"0", "1", "2", "4"}


def test_options_that_do_nothing_and_files_without_pictures_are_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["every", "--split", "val"])
    assert "--split does nothing without --grefcoco" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["every", "--grefcoco", str(root), "--scenes", "3"])
    assert "--scenes does nothing with --grefcoco" in capsys.readouterr().err
    assert main(["every", "--grefcoco", str(root), "--images", str(root / "none")]) == 2
    assert "has no expression that can be asked" in (said := capsys.readouterr().err) and "are missing" in said


def test_their_code_matches_by_giou_the_best_pair_first() -> None:
    left, right, corner = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (2.0, 2.0, 9.5, 9.5)
    assert theirs.whole([right, left], [left, right]) and theirs.whole([], [])
    assert not theirs.whole([left], [left, right]) and not theirs.whole([left, right], [left])
    assert theirs.matched([left, left], [left, right]) == 1
    assert theirs.matched([(0.0, 0.0, 4.0, 10.0)], [left]) == 0
    assert theirs.matched([corner], [left]) == 1 and theirs.matched([], [left]) == 0
