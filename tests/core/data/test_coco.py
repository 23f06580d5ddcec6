"""COCO's layout: names that fit one object, crowds, expressions of its own, and what wrong files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from record_files import picture

from egm_core.command.data import main

CUP, BOOK = 47, 84


def document(*boxes: tuple[int, list[float]], **more: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 9, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": CUP, "name": "cup"}, {"id": BOOK, "name": "book"}],
        "annotations": [
            {"id": number, "image_id": 9, "category_id": category, "bbox": box, "iscrowd": 0}
            for number, (category, box) in enumerate(boxes, 1)
        ],
        **more,
    }


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a document beside its picture and give the path."""
    picture(tmp_path / "a.png")

    def write(content: Any) -> Path:
        path = tmp_path / "instances.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_name_must_fit_one_object(file: Any, convert: Any) -> None:
    path = file(document((CUP, [1, 2, 10, 20]), (BOOK, [5, 5, 9, 9]), (BOOK, [30, 5, 9, 9])))
    (cup,) = convert("coco", "--file", path, "--split", "val")
    assert (cup.sent, cup.category, cup.bbox, cup.image_id, cup.split) == ("cup", "cup", (1, 2, 11, 22), "9", "val")
    assert "left out 2: objects whose name another object of the picture has" in convert.said
    assert [s.sent for s in convert("coco", "--file", path, "--names", "all")] == ["cup", "book", "book"]


@pytest.mark.parametrize("name", ["cup", "Cup ", "CUP."])
def test_names_that_read_alike_are_one_name_whatever_their_ids(file: Any, convert: Any, name: str) -> None:
    content = document((CUP, [1, 2, 10, 20]), (BOOK, [5, 5, 9, 9]), (3, [30, 5, 9, 9]))
    content["categories"].append({"id": 3, "name": name})
    assert [s.sent for s in convert("coco", "--file", file(content))] == ["book"]


def test_an_annotation_that_stands_there_twice_is_one_object(file: Any, convert: Any) -> None:
    content = document((CUP, [1, 2, 10, 20]), (BOOK, [5, 5, 9, 9]))
    content["annotations"].append(dict(content["annotations"][0]))
    assert [s.sent for s in convert("coco", "--file", file(content))] == ["cup", "book"]
    assert "left out 1: objects that stand there twice" in convert.said


@pytest.mark.parametrize(("left", "fits"), [(-640.0, True), (-641.0, False)])
def test_an_amodal_box_may_lie_as_far_out_as_a_sample_s(file: Any, left: float, fits: bool, tmp_path: Path) -> None:
    """What `write coco` writes of a sample, `convert coco` reads: one bound says how far out is too far."""
    record = {"image": "a.png", "sent": "cup", "bbox": [1, 2, 11, 22], "width": 64, "height": 48,
              "visible_fraction": 0.5, "amodal_bbox": [left, 2, 704, 22]}  # fmt: skip
    (tmp_path / "s.jsonl").write_text(json.dumps(record))
    assert (main(["write", "coco", str(tmp_path / "s.jsonl"), "--out", str(tmp_path / "c.json")]) == 0) is fits
    content = document((CUP, [1, 2, 10, 20]))
    content["annotations"][0]["amodal_bbox"] = [left, 2, 704 - left, 20]
    command = ["convert", "coco", "--file", str(file(content)), "--out", str(tmp_path / "o.jsonl")]
    assert (main(command) == 0) is fits


def test_a_crowd_is_left_out_and_makes_its_name_fit_several(file: Any, convert: Any) -> None:
    content = document((CUP, [1, 2, 10, 20]), (BOOK, [5, 5, 9, 9]), (BOOK, [30, 5, 9, 9]))
    content["annotations"][2] |= {"iscrowd": 1, "segmentation": {"counts": [0, 9], "size": [48, 64]}}
    assert [s.sent for s in convert("coco", "--file", file(content))] == ["cup"]
    assert "left out 1: boxes of crowds" in convert.said


def test_expressions_of_its_own_and_amodal_boxes(file: Any, convert: Any) -> None:
    content = document((BOOK, [5, 5, 9, 9]), (BOOK, [30, 5, 9, 9]), (BOOK, [1, 1, 2, 2]))
    content["annotations"][0] |= {"expression": "the left book", "amodal_bbox": [-6, 5, 20, 9], "visible_fraction": 0.5}
    content["annotations"][1] |= {"expression": "the book behind", "amodal_bbox": [30, 5, 9, 9], "visible_fraction": 0}
    left, behind = convert("coco", "--file", file(content))
    assert (left.sent, left.amodal_bbox, left.visible_fraction) == ("the left book", (-6, 5, 14, 14), 0.5)
    assert behind.bbox is None and behind.amodal_bbox == (30, 5, 39, 14) and not behind.absent


def test_a_size_that_is_missing_is_looked_up(file: Any, convert: Any) -> None:
    content = document((CUP, [1, 2, 10, 20]), images=[{"id": 9, "file_name": "a.png"}])
    assert [(s.width, s.height) for s in convert("coco", "--file", file(content))] == [(64, 48)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"annotations": None}, "annotations is None; a list must stand here"),
        ({"categories": [{"id": CUP}]}, "category 1: the field 'name' is missing"),
        ({"images": [{"id": 9}]}, "image 1: the field 'file_name' is missing"),
        ({"images": [{"file_name": "a.png"}]}, "image 1: the field 'id' is missing"),
        ({"images": [{"id": None, "file_name": "a.png"}]}, "image 1: id is None"),
        ({"annotations": [{"category_id": CUP, "bbox": [1, 2, 3, 4]}]}, "1: the field 'image_id' is missing"),
        ({"images": []}, "annotation 1: image_id is 9; an id of images must stand here"),
        ({"images": [{"id": [9], "file_name": "a.png"}]}, "image 1: id is [9]; a whole number"),
        ({"annotations": [{"image_id": 9, "category_id": 1}]}, "annotation 1: category_id is 1; an id of categories"),
        ({"annotations": [3]}, "annotation 1: the record is 3"),
        ({"annotations": [{"image_id": 9, "category_id": CUP}]}, "annotation 1: the field 'bbox' is missing"),
        ({"annotations": [{"image_id": 9, "category_id": CUP, "bbox": [1, 2, -3, 4]}]}, "bbox is [1, 2, -3, 4]"),
        (
            {"annotations": [{"image_id": 9, "category_id": CUP, "bbox": [1, 2, 3, 4], "amodal_bbox": [1, 2, 0, 4]}]},
            "annotation 1: amodal_bbox is [1, 2, 0, 4]",
        ),
        (
            {"annotations": [{"image_id": 9, "category_id": CUP, "bbox": [1, 2, 3, 4], "visible_fraction": 7}]},
            "annotation 1: visible_fraction is 7",
        ),
        (
            {"annotations": [{"image_id": 9, "category_id": CUP, "bbox": [1, 2, 3, 4], "expression": 4}]},
            "annotation 1: expression is 4",
        ),
    ],
)
def test_wrong_files_are_named(file: Any, refused: Any, change: dict[str, Any], said: str) -> None:
    assert said in refused("coco", "--file", file(document((CUP, [1, 2, 10, 20])) | change))


def test_what_is_no_document(file: Any, refused: Any) -> None:
    assert "the record is [1]" in refused("coco", "--file", file([1]))
    assert "not JSON" in refused("coco", "--file", file("{"))


def test_a_box_that_leaves_its_picture_is_left_out(file: Any, convert: Any) -> None:
    convert("coco", "--file", file(document((CUP, [1, 2, 10, 20]), (BOOK, [60, 5, 19, 9]))))
    assert "left out 1: the box leaves the picture" in convert.said


@pytest.mark.parametrize(
    ("table", "other", "said"),
    [
        ("images", {"id": 9, "file_name": "b.png", "width": 64, "height": 48}, "the image id 9 stands for something"),
        ("categories", {"id": CUP, "name": "plate"}, f"the category id {CUP} stands for something"),
    ],
)
def test_an_id_of_two_things_is_refused(
    file: Any, convert: Any, refused: Any, table: str, other: Any, said: str
) -> None:
    content = document((CUP, [1, 2, 10, 20]))
    again = dict(content[table][0])
    assert convert("coco", "--file", file({**content, table: [*content[table], again]})), "twice the same is one"
    assert said in refused("coco", "--file", file({**content, table: [*content[table], other]}))


def test_a_crowd_that_is_written_as_a_text(file: Any, convert: Any) -> None:
    content = document((CUP, [1, 2, 10, 20]))
    content["annotations"][0]["iscrowd"] = "0"
    assert [sample.sent for sample in convert("coco", "--file", file(content))] == ["cup"]
