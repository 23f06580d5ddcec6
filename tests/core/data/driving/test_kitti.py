"""KITTI: visible boxes by class, what is not labelled, and every wrong line by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from record_files import picture

WALKER = "Pedestrian 0.00 0 -0.20 12.40 13.00 20.73 40.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01"
SITTING = "Person_sitting 0.00 3 0 30.5 13.00 40 40.92 1 1 1 1 1 8 0"
DONT_CARE = "DontCare -1 -1 -10 50.00 17.00 60.00 19.00 -1 -1 -1 -1000 -1000 -1000 -10"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Make KITTI's folders with one picture and its labels."""
    picture(tmp_path / "training/image_2/000000.png")
    (tmp_path / "training/label_2").mkdir()
    return write(tmp_path / "training/label_2", WALKER, SITTING, DONT_CARE)


def write(folder: Path, *lines: str, name: str = "000000") -> Path:
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_a_line_is_a_visible_box(convert: Any, labels: Path) -> None:
    walker, sitting = convert("kitti", "--labels", labels, "--split", "train", missing=0)
    assert (walker.sent, walker.bbox, walker.amodal_bbox) == ("pedestrian", (12.4, 13, 20.73, 40.92), None)
    assert (walker.width, walker.height, walker.image_id, walker.split) == (64, 48, "000000", "train")
    assert (sitting.sent, sitting.category, sitting.annotation_id) == ("person sitting", "Person sitting", "000000-2")
    assert "left out 1: regions that are not labelled (DontCare)" in convert.said


def test_two_of_a_class_are_left_out(convert: Any, labels: Path) -> None:
    write(labels, WALKER, WALKER.replace("12.40", "11"), SITTING)
    assert [sample.sent for sample in convert("kitti", "--labels", labels)] == ["person sitting"]
    assert len(convert("kitti", "--labels", labels / "000000.txt", "--names", "all")) == 3


def test_labels_without_a_picture_are_counted(convert: Any, labels: Path) -> None:
    write(labels, WALKER, name="000001")
    assert len(convert("kitti", "--labels", labels)) == 2
    assert "1 pictures are missing" in convert.said and "000001" in convert.said


def test_many_missing_pictures_end_it(refused: Any, labels: Path) -> None:
    write(labels, WALKER, name="000001")
    assert "1 of 2 pictures are missing" in refused("kitti", "--labels", labels, missing=0.1)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (WALKER + " 0.9", "16 fields, of which the last is a detector's score"),
        (WALKER[:-5], "14 fields, where 15 must stand"),
        (WALKER.replace("12.40", "left"), "left is 'left'"),
        (WALKER.replace("12.40", "nan"), "left is 'nan'"),
        (WALKER.replace("12.40", "99"), "left, top, right, bottom is"),
    ],
)
def test_a_wrong_line_is_named(refused: Any, labels: Path, line: str, words: str) -> None:
    said = refused("kitti", "--labels", write(labels, SITTING, line))
    assert "000000.txt: line 2: " in said and words in said


def test_a_folder_without_labels_is_named(refused: Any, tmp_path: Path) -> None:
    assert "no folder with label files" in refused("kitti", "--labels", tmp_path)
    assert "no folder with label files" in refused("kitti", "--labels", tmp_path / "nowhere")


def test_the_real_line(formats: Path, tmp_path: Path, convert: Any) -> None:
    picture(tmp_path / "000000.png", 1224, 370)
    (walker,) = convert("kitti", "--labels", formats / "kitti/000000.txt", "--images", tmp_path, missing=0)
    assert walker.bbox == (712.40, 143.00, 810.73, 307.92)


def test_a_label_file_that_is_empty_is_counted(convert: Any, labels: Path) -> None:
    picture(labels.parent / "image_2/000001.png")
    write(labels, name="000001")
    assert len(convert("kitti", "--labels", labels, missing=0)) == 2
    assert "left out 1: label files without an object" in convert.said and "000001.txt" in convert.said


def test_python_alone_takes_such_a_number(refused: Any, labels: Path) -> None:
    said = refused("kitti", "--labels", write(labels, WALKER.replace("12.40", "1_2.40")))
    assert "left is '1_2.40'" in said


def test_a_picture_that_is_none_is_named(refused: Any, labels: Path) -> None:
    image = labels.parent / "image_2/000000.png"
    image.write_text("not found")
    assert f"the picture can't tell them: {image}: no kind of picture" in refused("kitti", "--labels", labels)
