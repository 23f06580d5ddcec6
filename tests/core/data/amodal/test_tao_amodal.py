"""TAO-Amodal: boxes that leave the frame, hidden objects, both forms of the field bbox, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amodal_files import coco

FRAME = {"id": 7, "file_name": "train/LaSOT/v/frame0326.jpg", "width": 64, "height": 48, "frame_index": 325}
LEAVING = {"bbox": [0, 10, 20.5, 30], "amodal_bbox": [-14.5, 10, 35, 97.8], "visibility": 0.2, "out_of_frame": True,
           "track_id": 1, "amodal_is_uncertain": False}  # fmt: skip
HIDDEN = {"amodal_bbox": [30, 10, 9, 9], "visibility": 0.0, "category_id": 2, "amodal_is_uncertain": True}


def test_amodal_boxes_leave_the_frame(convert: Any, tmp_path: Path) -> None:
    car, cone = convert("tao-amodal", "--file", coco(tmp_path / "validation.json", LEAVING, HIDDEN, image=FRAME))
    assert (car.bbox, car.amodal_bbox) == ((0, 10, 20.5, 40), (-14.5, 10, 20.5, 107.8))
    assert car.truth("amodal") == (0, 10, 20.5, 48)
    assert (car.visible_fraction, car.split, car.source) == (0.2, "val", "TAO-Amodal")
    assert car.image.endswith("train/LaSOT/v/frame0326.jpg")
    assert cone.hidden and cone.amodal_bbox == (30, 10, 39, 19)


def test_uncertain_boxes_are_left_out_on_wish(convert: Any, tmp_path: Path) -> None:
    file = coco(tmp_path / "x.json", LEAVING, HIDDEN, image=FRAME)
    assert [sample.sent for sample in convert("tao-amodal", "--file", file, "--certain")] == ["car"]
    assert "not certain of" in convert.said


def lvis(**more: Any) -> dict[str, Any]:
    return {**LEAVING, "bbox": LEAVING["amodal_bbox"], "id": "2_7_1", **more}


def test_the_lvis_form_has_lost_the_visible_box(convert: Any, tmp_path: Path) -> None:
    gone = lvis(id="2_7_2", visibility=0.0, category_id=2)
    car, cone = convert("tao-amodal", "--file", coco(tmp_path / "validation_lvis_v1.json", lvis(), gone, image=FRAME))
    assert (car.bbox, car.amodal_bbox, car.task) == (None, (-14.5, 10, 20.5, 107.8), "amodal")
    assert car.annotation_id == "2_7_1"
    assert (car.hidden, car.asks("visible"), car.asks("amodal"), car.visible_fraction) == (False, False, True, 0.2)
    assert cone.hidden and "bbox holds the amodal box" in convert.said


def test_the_lvis_form_of_training_has_it(convert: Any, tmp_path: Path) -> None:
    file = coco(tmp_path / "train_lvis_v1.json", {**LEAVING, "id": "2_7_1"}, image=FRAME)
    (car,) = convert("tao-amodal", "--file", file)
    assert (car.bbox, car.task) == ((0, 10, 20.5, 40), "")


def test_what_bbox_holds_may_be_said(convert: Any, tmp_path: Path) -> None:
    file = coco(tmp_path / "x.json", lvis(), image=FRAME)
    (car,) = convert("tao-amodal", "--file", file, "--bbox", "visible")
    assert (car.bbox, car.task) == ((0, 10, 20.5, 48), ""), "cut at the frame"
    whole = coco(tmp_path / "y.json", {"bbox": [1, 1, 9, 9], "amodal_bbox": [1, 1, 9, 9]}, image=FRAME)
    assert convert("tao-amodal", "--file", whole)[0].bbox == (1, 1, 10, 10), "nothing is hidden"


def test_brackets_of_lvis_are_no_part_of_the_name(convert: Any, tmp_path: Path) -> None:
    names = [{"id": 1, "name": "car_(automobile)"}, {"id": 2, "name": "railcar_(part_of_a_train)"}]
    car, _ = convert("tao-amodal", "--file", coco(tmp_path / "x.json", LEAVING, HIDDEN, image=FRAME, categories=names))
    assert (car.sent, car.category) == ("car", "car (automobile)")


def test_what_lies_beyond_the_frame_is_left_out(convert: Any, tmp_path: Path) -> None:
    beyond, far = ({"amodal_bbox": [at, 1, 9, 9], "category_id": 2} for at in (-30, 9000))
    assert len(convert("tao-amodal", "--file", coco(tmp_path / "x.json", LEAVING, beyond, image=FRAME))) == 1
    assert "wholly beyond the picture" in convert.said
    assert len(convert("tao-amodal", "--file", coco(tmp_path / "x.json", LEAVING, far, image=FRAME))) == 1
    assert "far out of the picture" in convert.said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amodal_bbox": None}, "amodal_bbox is None"),
        ({"bbox": "x"}, "bbox is 'x'"),
        ({"visibility": 1.2}, "visibility is 1.2"),
        ({"id": ""}, "id is ''"),
        ({"image_id": "2_7"}, "image_id is '2_7'"),
    ],
)
def test_a_wrong_field_is_named(refused: Any, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    said = refused("tao-amodal", "--file", coco(tmp_path / "x.json", {**LEAVING, **change}, image=FRAME))
    assert "x.json: annotations 0" in said and words in said


def test_a_few_odd_records_say_nothing_of_a_whole_file(convert: Any, tmp_path: Path) -> None:
    many = [lvis(id=f"2_7_{n}", amodal_bbox=[1.0 + n, 1, 9, 9], bbox=[1.0 + n + 1e-7, 1, 9, 9]) for n in range(20)]
    odd = lvis(id="2_7_99", bbox=[1.0, 1, 0, 0])
    samples = convert("tao-amodal", "--file", coco(tmp_path / "x.json", *many, odd, image=FRAME), "--names", "all")
    assert samples and all(sample.bbox is None for sample in samples)
    assert "bbox holds the amodal box" in convert.said


def test_texts_of_yes_and_no_are_what_they_say(convert: Any, refused: Any, tmp_path: Path) -> None:
    sure, unsure = ({**LEAVING, "id": n, "amodal_is_uncertain": told} for n, told in enumerate(("False", "True")))
    file = coco(tmp_path / "x.json", sure, unsure, image=FRAME)
    (car,) = convert("tao-amodal", "--file", file, "--certain", "--names", "all")
    assert car.annotation_id == "0"
    odd = coco(tmp_path / "y.json", {**LEAVING, "amodal_is_uncertain": "perhaps"}, image=FRAME)
    assert "true or false must stand here" in refused("tao-amodal", "--file", odd, "--certain")


def test_a_visible_box_beside_its_amodal_box_is_left_out(convert: Any, tmp_path: Path) -> None:
    swapped = {**LEAVING, "id": 7, "bbox": [2, 3, 60, 40], "amodal_bbox": [5, 5, 9, 9]}
    file = coco(tmp_path / "x.json", LEAVING, swapped, image=FRAME)
    assert len(convert("tao-amodal", "--file", file, "--names", "all")) == 1
    assert "left out 1: objects whose visible box is not within the amodal one" in convert.said


def test_what_visibility_leaves_open_is_said(convert: Any, tmp_path: Path) -> None:
    lacking = {name: value for name, value in LEAVING.items() if name != "visibility"}
    gone = {**LEAVING, "bbox": [3, 3, 0, 9], "category_id": 2}
    (car,) = convert("tao-amodal", "--file", coco(tmp_path / "x.json", lacking, gone, image=FRAME))
    assert car.sent == "car" and "1 objects, such as" in convert.said and "have no visibility" in convert.said
    assert "left out 1: objects of which something is seen" in convert.said
