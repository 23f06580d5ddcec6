"""COCOA-cls and D2SA: masks in every form, crowds, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amodal_files import coco, outline, rle

HIDDEN = {
    "segmentation": [outline(4, 12, 40, 40)], "bbox": [4, 12, 36, 28], "area": 1008, "occlude_rate": 0.25,
    "visible_mask": rle(20, 12, 40, 40), "invisible_mask": rle(4, 12, 20, 40),
}  # fmt: skip
WHOLE = {"segmentation": [outline(1, 1, 9.5, 9)], "bbox": [1, 1, 8.5, 8], "category_id": 2}


def test_cocoa_cls_has_classes_for_names(convert: Any, tmp_path: Path) -> None:
    file = coco(tmp_path / "COCO_amodal_train2014_with_classes.json", HIDDEN, WHOLE)
    car, cone = convert("cocoa-cls", "--file", file)
    assert (car.sent, car.bbox, car.amodal_bbox) == ("car", (20, 12, 40, 40), (4, 12, 40, 40))
    assert (car.visible_fraction, car.source, car.split, car.annotation_id) == (0.75, "COCOA-cls", "train", "1")
    assert (cone.sent, cone.category) == ("traffic cone", "traffic cone")
    assert cone.bbox == cone.amodal_bbox == (1, 1, 9.5, 9)


def test_polygons_may_stand_for_masks(convert: Any, tmp_path: Path) -> None:
    seen = {**HIDDEN, "visible_mask": [outline(20, 12, 40, 40)], "segmentation": outline(4, 12, 40, 40)}
    (car,) = convert("cocoa-cls", "--file", coco(tmp_path / "x.json", seen))
    assert (car.bbox, car.amodal_bbox, car.visible_fraction) == ((20, 12, 40, 40), (4, 12, 40, 40), 0.75)


def d2sa(**more: Any) -> dict[str, Any]:
    return {
        "segmentation": rle(4, 12, 40, 40), "visible_mask": rle(20, 12, 40, 40), "invisible_mask": rle(4, 12, 20, 40),
        "iscrowd": False, "occlude_rate": 0.4, "amodal_region": {"name": "", "order": 2}, **more,
    }  # fmt: skip


def test_d2sa_has_run_lengths(convert: Any, tmp_path: Path) -> None:
    hidden = d2sa(visible_mask=rle(), occlude_rate=1.0, category_id=2)
    car, cone = convert("d2sa", "--file", coco(tmp_path / "D2S_amodal_validation.json", d2sa(), hidden))
    assert (car.bbox, car.amodal_bbox, car.visible_fraction) == ((20, 12, 40, 40), (4, 12, 40, 40), 0.6)
    assert (car.depth_order, car.split, car.source) == (2, "val", "D2SA")
    assert cone.hidden and "MVTec" in car.licence


def test_crowds_are_left_out(convert: Any, tmp_path: Path) -> None:
    assert len(convert("d2sa", "--file", coco(tmp_path / "x.json", d2sa(category_id=2), d2sa(iscrowd=True)))) == 1
    assert "annotations of crowds" in convert.said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segmentation": {"size": [48, 64], "counts": "PP"}}, "segmentation.counts is"),
        ({"segmentation": {"counts": "PP"}}, "segmentation is"),
        ({"visible_mask": rle(1, 1, 9, 9, width=32)}, "visible_mask.size is"),
        ({"visible_mask": None}, "occlude_rate is 0.4"),
        ({"occlude_rate": None}, "occlude_rate is None"),
        ({"category_id": 9}, "the file has no category of that id"),
        ({"image_id": 9}, "the file has no image of that id"),
        ({"id": None}, "id is None"),
        ({"id": "\ud800"}, "id is"),
        ({"id": 10**400}, "id is 1000"),
        ({"invisible_mask": "x"}, "invisible_mask is"),
        ({"invisible_mask": {"size": [48, 64]}}, "invisible_mask.counts is"),
        ({"invisible_mask": rle(1, 1, 9, 9, width=32)}, "invisible_mask.size is"),
        ({"visible_mask": [[]]}, "visible_mask is [[]]"),
        ({"visible_mask": None, "occlude_rate": 0}, "needs visible_mask"),
        ({"visible_mask": None, "occlude_rate": ""}, "occlude_rate is ''"),
        ({"segmentation": {"size": [True, True], "counts": [1]}}, "segmentation is"),
        ({"amodal_region": 3}, "amodal_region: the record is 3"),
        ({"amodal_region": {"order": 10**30}}, "amodal_region: order is 1000"),
    ],
)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    said = refused("d2sa", "--file", coco(tmp_path / "x.json", WHOLE, d2sa(**change)))
    assert "x.json: annotations 1" in said and words in said


def test_a_mask_of_another_pictures_size_is_named(refused: Any, tmp_path: Path) -> None:
    image = {"id": 7, "file_name": "a.png", "width": 48, "height": 64}
    said = refused("d2sa", "--file", coco(tmp_path / "x.json", d2sa(), image=image))
    assert "the size of its mask is [48, 64]; the picture's height and width are 64, 48" in said


@pytest.mark.parametrize("kind", ["cocoa-cls", "d2sa"])
def test_exchanged_masks_are_named_and_not_learnt(convert: Any, refused: Any, tmp_path: Path, kind: str) -> None:
    """A file whose visible masks hold what is hidden would teach the hidden part as the visible box."""
    whole = rle(0, 0, 40, 40) if kind == "d2sa" else [outline(0, 0, 40, 40)]
    seen, behind = rle(0, 0, 40, 30), rle(0, 30, 40, 40)
    right = {"segmentation": whole, "occlude_rate": 0.25, "visible_mask": seen, "invisible_mask": behind}
    wrong = {**right, "visible_mask": behind, "invisible_mask": seen}
    file = tmp_path / "x.json"
    assert "exchanged" in refused(kind, "--file", coco(file, wrong), "--names", "all")
    assert len(convert(kind, "--file", coco(file, wrong, right, right, right), "--names", "all")) == 4
    assert "annotations 0 (id 1)" in convert.said and "may be exchanged there" in convert.said


@pytest.mark.parametrize("kind", ["cocoa-cls", "d2sa"])
def test_visible_and_amodal_shape_exchanged_are_left_out_by_name(convert: Any, tmp_path: Path, kind: str) -> None:
    shapes = rle(0, 0, 20, 20), rle(0, 0, 40, 40)
    wrong = {"segmentation": shapes[0], "visible_mask": shapes[1], "occlude_rate": 0.75}
    right = {"segmentation": shapes[1], "visible_mask": shapes[0], "occlude_rate": 0.75}
    found = convert(kind, "--file", coco(tmp_path / "x.json", wrong, *[right] * 9), "--names", "all", "--occluded")
    assert [one.annotation_id for one in found] == [str(n) for n in range(2, 11)]
    assert "left out 1: objects of which more is seen than there is" in convert.said and "(id 1)" in convert.said
