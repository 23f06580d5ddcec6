"""KINS: both editions, what the cluster's order tells, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amodal_files import coco, outline, rle

FIRST = {
    "bbox": [4, 12, 36, 28], "segmentation": [outline(4, 12, 40, 40)], "area": 1008,
    "inmodal_bbox": [20, 12, 20, 28], "inmodal_seg": rle(20, 12, 40, 40),
}  # fmt: skip


def second(box: list[float], seen: list[float], order: int, cluster: int = 5, **more: Any) -> dict[str, Any]:
    """Write an annotation of the edition of 2020."""
    amodal, visible = (outline(x, y, x + w, y + h) for x, y, w, h in (box, seen))
    return {
        "a_bbox": box,
        "a_segm": [amodal],
        "i_bbox": seen,
        "i_segm": [visible],
        "oco_id": cluster,
        "ico_id": order,
        **more,
    }


def test_the_first_edition(convert: Any, tmp_path: Path) -> None:
    (car,) = convert("kins", "--file", coco(tmp_path / "instances_train.json", FIRST))
    assert (car.sent, car.bbox, car.amodal_bbox) == ("car", (20, 12, 40, 40), (4, 12, 40, 40))
    assert car.visible_fraction == pytest.approx(20 / 36)
    assert (car.source, car.split, car.depth_order, car.occluders) == ("KINS", "train", None, ())


def test_the_edition_of_2020_tells_what_is_in_front(convert: Any, tmp_path: Path) -> None:
    cone = second([0, 10, 20, 30], [0, 10, 20, 30], 1, category_id=2)
    car = second([4, 12, 36, 28], [20, 12, 20, 28], 2)
    far = second([0, 12, 10, 28], [0, 12, 10, 28], 1, cluster=6)
    file = coco(tmp_path / "update_test_2020.json", cone, car, {**far, "category_id": 2})
    found = convert("kins", "--file", file, "--names", "all")
    assert [sample.occluders for sample in found] == [(), ("traffic cone",), ()]
    assert [sample.occluder_boxes for sample in found] == [(), ((0, 10, 20, 40),), ()]
    assert [sample.depth_order for sample in found] == [1, 2, 1]
    assert found[1].visible_fraction == pytest.approx(20 / 36) and found[1].split == "test"


def test_what_overlaps_nothing_has_no_order(convert: Any, tmp_path: Path) -> None:
    (car,) = convert("kins", "--file", coco(tmp_path / "x.json", second([1, 1, 9, 9], [1, 1, 9, 9], 0)))
    assert (car.depth_order, car.visible_fraction) == (None, 1.0)


def test_an_empty_visible_box_is_a_hidden_object(convert: Any, tmp_path: Path) -> None:
    (car,) = convert("kins", "--file", coco(tmp_path / "x.json", second([1, 1, 9, 9], [0, 0, 0, 0], 0)))
    assert car.hidden


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"i_bbox": [1, 2, 3]}, "i_bbox is [1, 2, 3]"),
        ({"a_bbox": [1, 2, -3, 4]}, "a_bbox is"),
        ({"ico_id": -1}, "ico_id is -1"),
        ({"oco_id": "a"}, "oco_id is 'a'"),
        ({"a_segm": [[1, 2, 3]]}, "a_segm is"),
        ({"i_segm": {"size": [48, 64], "counts": "P"}}, "i_segm.counts is"),
        ({"i_segm": ""}, "i_segm is ''"),
        ({"ico_id": 10**30}, "ico_id is 1000"),
        ({"oco_id": None}, "oco_id is None"),
        ({"category_id": 77}, "no category of that id"),
    ],
)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    said = refused("kins", "--file", coco(tmp_path / "x.json", {**second([1, 1, 9, 9], [1, 1, 9, 9], 1), **change}))
    assert "x.json: annotations 0 (id 1): " in said and words in said


def test_a_missing_visible_box_is_named(refused: Any, tmp_path: Path) -> None:
    lacking = {name: value for name, value in FIRST.items() if name != "inmodal_bbox"}
    assert "the field 'inmodal_bbox' is missing" in refused("kins", "--file", coco(tmp_path / "x.json", lacking))


def exchanged(record: dict[str, Any], *pairs: tuple[str, str]) -> dict[str, Any]:
    """Exchange fields of an annotation."""
    names = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    return {name: record[names.get(name, name)] for name in record}


LATER = second([4, 12, 36, 28], [20, 12, 10, 28], 1)
BOXES, SHAPES = (
    (("bbox", "inmodal_bbox"), ("a_bbox", "i_bbox")),
    (("segmentation", "inmodal_seg"), ("a_segm", "i_segm")),
)


@pytest.mark.parametrize("edition", [0, 1], ids=["first", "2020"])
@pytest.mark.parametrize("what", [[BOXES], [SHAPES], [BOXES, SHAPES]], ids=["boxes", "masks", "both"])
def test_exchanged_masks_and_boxes_are_named_and_not_learnt(
    convert: Any, refused: Any, tmp_path: Path, edition: int, what: list[Any]
) -> None:
    """KINS has no mask of what is hidden: its visible and amodal ones may be exchanged, or their boxes."""
    right = ({**FIRST, "inmodal_bbox": [20, 12, 10, 28], "inmodal_seg": rle(20, 12, 30, 40)}, LATER)[edition]
    wrong, file = exchanged(right, *(pair[edition] for pair in what)), tmp_path / "x.json"
    assert "exchanged" in refused("kins", "--file", coco(file, wrong), "--names", "all")
    found = convert("kins", "--file", coco(file, wrong, *[right] * 9), "--names", "all")
    assert [one.annotation_id for one in found] == [str(n) for n in range(2, 11)]
    assert "left out 1: objects" in convert.said and "(id 1)" in convert.said


def test_an_annotation_that_stands_there_twice_is_one_object(convert: Any, tmp_path: Path) -> None:
    (car,) = convert("kins", "--file", coco(tmp_path / "instances_train.json", {**FIRST, "id": 3}, {**FIRST, "id": 3}))
    assert car.sent == "car" and "left out 1: objects that stand there twice" in convert.said


def test_a_share_that_nothing_tells_is_said_and_a_seen_object_without_a_box_is_left_out(
    convert: Any, tmp_path: Path
) -> None:
    seen = {**second([4, 12, 36, 28], [20, 12, 10, 28], 0), "i_bbox": [0, 0, 0, 0]}
    bare = {name: v for name, v in second([1, 1, 9, 9], [1, 1, 9, 9], 0, category_id=2).items() if name != "i_segm"}
    (cone,) = convert("kins", "--file", coco(tmp_path / "x.json", seen, bare))
    assert (cone.sent, cone.visible_fraction) == ("traffic cone", None)
    assert "left out 1: objects of which something is seen" in convert.said and "(id 1)" in convert.said
    assert "1 objects have no shape" in convert.said
