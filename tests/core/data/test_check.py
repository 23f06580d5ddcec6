"""The check of boxes, before an evaluation and by hand: other units and orders are named, not scored as wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from egm_core.command.data import main as data
from egm_core.command.evaluate import main as evaluate
from egm_core.sample import Sample
from egm_core.sample.box_check import faults

FRACTIONS = [0.4, 0.3, 0.55, 0.45]
GOOD = [100.0, 60.0, 180.0, 130.0]


def write(folder: Path, boxes: list[list[float]], **more: object) -> Path:
    file = folder / "a.jsonl"
    record = {"image": "a.png", "height": 144, "width": 256} | more
    rows = [record | {"sent": f"cup {number}", "bbox": box} for number, box in enumerate(boxes)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("task", ["refer", "amodal"])
def test_boxes_in_fractions_are_not_evaluated(tmp_path, task, caplog):
    file = write(tmp_path, [FRACTIONS, GOOD], **({"amodal_bbox": GOOD} if task == "amodal" else {}))
    assert evaluate([task, str(file), "--json", str(tmp_path / "r.json")]) == 2
    assert "a.jsonl:1" in caplog.text and "within 0 to 1" in caplog.text and "multiply" in caplog.text
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("boxes", "size", "words"),
    [
        ([[10 + n, 10, 20, 15] for n in range(9)], {}, "x, y, width, height"),
        ([[100 + n, 100, 990, 900] for n in range(60)], {"width": 1100, "height": 1100}, "end at 1000"),
        ([[10, 10, 10.5, 12], GOOD], {}, "below one pixel"),
        ([GOOD], {"amodal_bbox": [1, 1, 5, 5]}, "does not hold the visible one"),
    ],
)
def test_what_only_looks_wrong_is_warned_of(tmp_path, boxes, size, words, caplog, capsys):
    file = write(tmp_path, boxes, **size)
    assert data(["check", str(file)]) == 1
    assert words in capsys.readouterr().out
    if "amodal_bbox" in size:
        assert evaluate(["amodal", str(file), "--without-model", "image"]) == 0
        assert words in caplog.text and "worthless" in caplog.text


def test_good_boxes_pass_and_an_empty_file_does_not(tmp_path, capsys):
    file = write(tmp_path, [GOOD, [10.0, 10.0, 30.0, 40.0]])
    assert data(["check", str(file)]) == 0
    assert "boxes as they should be" in capsys.readouterr().out
    file.write_text("")
    assert data(["check", str(file)]) == 2


def test_a_served_models_name_is_sent_to_its_own_option(tmp_path, caplog):
    """Its name is no folder: the message must name the option that takes it."""
    from egm_core.evaluate.samples.subject import Subject, _described

    with pytest.raises(FileNotFoundError, match="--engine-model gemini-3-pro"):
        _described(Subject(model="gemini-3-pro", engine_url="http://localhost:9", family="gemini"), "gemini-3-pro")


def coco_file(folder: Path, boxes: list[list[float]], side: int = 2000) -> Path:
    """A file in COCO's layout, each box in a picture of its own, written as left, top, width, height."""
    images = [{"id": n, "file_name": f"{n}.png", "width": side, "height": side} for n in range(len(boxes))]
    annotations = [{"id": n, "image_id": n, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)]
    file = folder / "instances.json"
    categories = [{"id": 1, "name": "cup"}]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


def converted(folder: Path, file: Path) -> int:
    out = folder / "out.jsonl"
    return data(["convert", "coco", "--file", str(file), "--missing-share", "1", "--out", str(out)])


def test_conversion_refuses_fractions_and_says_thousandths(tmp_path, capsys):
    """They passed without a word, and a model learnt the upper left corner."""
    assert converted(tmp_path, coco_file(tmp_path, [[0.1, 0.2, 0.3, 0.4]] * 3)) == 2
    said = capsys.readouterr().err
    assert "within 0 to 1" in said and "multiply" in said and not (tmp_path / "out.jsonl").exists()
    assert converted(tmp_path, coco_file(tmp_path, [[500 + n, 600, 450, 390] for n in range(40)], 1500)) == 0
    assert "end at 1000" in capsys.readouterr().err


def test_many_boxes_that_can_be_none_end_a_conversion(tmp_path, capsys):
    good, flat, beyond = [1400.0, 10.0, 300.0, 400.0], [10.0, 10.0, 0.0, 40.0], [1500.0, 10.0, 900.0, 40.0]
    assert converted(tmp_path, coco_file(tmp_path, [good] * 3 + [flat, beyond])) == 0
    said = capsys.readouterr().err
    assert "left out 1: the box has no area" in said and "left out 1: the box leaves the picture" in said
    assert converted(tmp_path, coco_file(tmp_path, [good] * 40 + [flat] * 12)) == 2
    said = capsys.readouterr().err
    assert "12 records have boxes that can be none" in said and "annotation 41" in said


def test_corners_in_a_file_of_sides_end_it_with_the_remedy(tmp_path, capsys):
    """Five boxes that all left their pictures ended in a word about names."""
    corners = [[1400.0 + n, 900.0, 1900.0, 1500.0] for n in range(5)]
    assert converted(tmp_path, coco_file(tmp_path, corners)) == 2
    said = capsys.readouterr().err
    assert "all of the first 5 boxes can be none: the box leaves the picture, and would not if it were x0, y0" in said
    assert "annotation 1" in said and "order that the files' kind has" in said
    assert not (tmp_path / "out.jsonl").exists()
    assert converted(tmp_path, coco_file(tmp_path, [[10.0, 10.0, 30.0, 40.0], *corners])) == 0
    assert "5 boxes, 83.3% of all, can be none and are left out: see that" in capsys.readouterr().err


def test_the_first_boxes_end_a_large_file_at_once(tmp_path, capsys):
    many = [[1400.0, 900.0, 1900.0, 1500.0]] * 150
    assert converted(tmp_path, coco_file(tmp_path, [*many, [10.0, 10.0, 30.0, 40.0]])) == 2
    assert "all of the first 100 boxes can be none" in capsys.readouterr().err


def test_sides_in_a_file_of_corners_end_it_with_the_remedy(tmp_path, capsys):
    row = {"image": "a.png", "sent": "cup", "bbox": [1400, 900, 300, 200], "width": 2000, "height": 2000}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    arguments = ["--file", str(tmp_path / "rows.jsonl"), "--missing-share", "1", "--out", str(tmp_path / "out.jsonl")]
    assert data(["convert", "internvl", *arguments]) == 2
    assert "x, y, width, height must be turned into corners first" in capsys.readouterr().err
    (tmp_path / "rows.jsonl").write_text(json.dumps(row | {"bbox": [1400, 900, 2400, 1200]}) + "\n")
    assert data(["convert", "internvl", *arguments]) == 2
    said = capsys.readouterr().err
    assert "all of the first 1 boxes can be none: the box leaves the picture, such as" in said


def test_a_box_beyond_the_upper_left_corner_is_no_box_within_0_to_1() -> None:
    hidden = Sample("a.png", "cup", None, (-50, -50, -5, -5), 0.0, 48, 64)
    assert not list(faults(hidden))
    assert [kind for kind, _ in faults(dataclasses.replace(hidden, amodal_bbox=(0, 0.2, 0.5, 1)))] == ["unit"]
