"""The harder sets: Ref-L4 and its review of RefCOCO, Ref-Adv-s, gRefCOCO, GroundingME."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from record_files import jsonl
from refer_files import ANNOTATION, IMAGE, INSTANCES, REF, ref

PNG = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
L4 = {
    "id": 1,
    "caption": "Within the frame an antique camera is present.",
    "bbox": [10.0, 5.0, 20.5, 30.0],
    "bbox_area": 615.0,
    "bbox_id": "o365_1",
    "ori_category_id": "o365_204",
    "image_id": "o365_9",
    "height": 48,
    "width": 64,
    "file_name": "objects365_v1_00000009.jpg",
    "is_rewrite": False,
    "split": "val",
}
ADV = {
    "image": {"bytes": PNG, "path": "a.png"},
    "file_name": "COCO_train2014_000000581857.jpg",
    "width": 64,
    "height": 48,
    "normal_caption": "the mug that is not red",
    "solution": [1.0, 2.0, 30.0, 40.0],
    "image_source": "COCO",
    "human_authored": True,
    "use_negation": True,
    "distractors": "[[1,2,3,4]]",
}
ME = {
    "id": "12",
    "image": {"bytes": PNG, "path": None},
    "description": "the small mug",
    "bbox": [1.0, 2.0, 30.0, 40.0],
    "subtask_l1": "Limited",
    "subtask_l2": "Occlusion",
    "width": 64,
    "height": 48,
}


def parquet(path: Path, *records: dict[str, Any]) -> Path:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    write_table(pa.Table.from_pylist(list(records)), path)
    return path


@pytest.mark.parametrize("write", [parquet, jsonl])
def test_ref_l4(tmp_path: Path, convert, write) -> None:
    file = write(tmp_path / f"ref-l4-val.{'parquet' if write is parquet else 'jsonl'}", L4)
    (sample,) = convert("ref-l4", "--file", file, "--images", tmp_path / "images")
    assert (sample.bbox, sample.split, sample.category) == ((10, 5, 30.5, 35), "val", "o365_204")
    assert sample.image == str(tmp_path / "images" / L4["file_name"]) and "NC" in sample.licence


def test_ref_adv(tmp_path: Path, convert) -> None:
    (sample,) = convert("ref-adv", "--file", parquet(tmp_path / "x.parquet", ADV), missing=0)
    assert (sample.bbox, sample.image_id, sample.source) == ((1, 2, 30, 40), "581857", "Ref-Adv-s")
    predicted = {name: value for name, value in ADV.items() if name not in ("solution", "image")}
    (again,) = convert("ref-adv", "--file", jsonl(tmp_path / "x.jsonl", {**predicted, "gt_bbox_xyxy": ADV["solution"]}))
    assert again.bbox == sample.bbox and again.image == str(tmp_path / ADV["file_name"])


def test_rejections_of_grounding_me_are_absent(tmp_path: Path, convert) -> None:
    file = parquet(tmp_path / "x.parquet", ME, {**ME, "subtask_l1": "Rejection"})
    found, absent = convert("grounding-me", "--file", file, missing=0)
    assert found.bbox == (1, 2, 30, 40) and absent.absent
    assert (found.category, found.sentence_id) == ("Limited Occlusion", "12")
    assert "1 absent" in convert.said


def gref(number: int, annotations: Any, split: str = "val") -> dict[str, Any]:
    return {**ref(number, split, (f"thing {number}",)), "ann_id": annotations}


def grefcoco(root: Path, *refs: dict[str, Any]) -> Path:
    root.mkdir(exist_ok=True)
    (root / "grefs(unc).json").write_text(json.dumps(refs))
    (root / "instances.json").write_text(json.dumps(INSTANCES))
    return root


def test_several_targets_are_counted_and_no_target_is_absent(tmp_path: Path, convert) -> None:
    ids = REF["ann_id"]
    refs = [gref(0, [ids]), gref(1, [ids, 7]), gref(2, [-1]), gref(3, -1), gref(4, [ids], "train")]
    samples = convert("grefcoco", "--root", grefcoco(tmp_path / "g", *refs), "--split", "val")
    assert [(s.ref_id, s.absent) for s in samples] == [("0", False), ("2", True), ("3", True)]
    assert samples[0].bbox == pytest.approx((103.93, 299.99, 238.15, 477.41)) and samples[1].image == samples[0].image
    assert "left out 1: expressions about several objects" in convert.said and "(ref_id 1)" in convert.said
    (tmp_path / "g/instances.json").rename(tmp_path / "coco.json")
    assert len(convert("grefcoco", "--root", tmp_path / "g", "--instances", tmp_path / "coco.json")) == 4


def reviewed(path: Path, *annotations: dict[str, Any]) -> Path:
    image = {**IMAGE, "id": 1, "original_id": 581857, "caption": "the lady"}
    path.write_text(json.dumps({"images": [image], "annotations": annotations}))
    return path


def test_reviewed_labels_leave_the_wrong_ones_out(tmp_path: Path, convert) -> None:
    good = {**ANNOTATION, "image_id": 1, "original_id": 1719310, "caption_quality": 1}
    file = reviewed(tmp_path / "refcoco+_testA_reviewed.json", good, {**good, "caption_quality": 0, "caption": "she"})
    (sample,) = convert("refcoco-reviewed", "--file", file)
    assert (sample.sent, sample.source, sample.split) == ("the lady", "RefCOCO+", "testA")
    assert (sample.image_id, sample.annotation_id) == ("581857", "1719310")
    assert "1: labels that the review found wrong" in convert.said
    assert [s.sent for s in convert("refcoco-reviewed", "--file", file, "--keep-wrong")] == ["the lady", "she"]


@pytest.mark.parametrize(
    ("kind", "base", "bad", "words"),
    [
        ("ref-l4", L4, {"split": "train"}, "there is no split 'train'; there are val, test"),
        ("ref-l4", L4, {"bbox": [1, 2]}, "bbox is [1, 2]; a list of 4 numbers"),
        ("ref-l4", L4, {"caption": ""}, "caption is ''"),
        ("ref-adv", {**ADV, "image": "a.png"}, {"solution": [30, 2, 1, 40]}, "solution is [30, 2, 1, 40]"),
        ("ref-adv", {**ADV, "image": "a.png"}, {"width": None}, "the picture can't tell them"),
        ("grounding-me", {**ME, "image": "a.png"}, {"subtask_l1": "Odd"}, "there is no subtask_l1 'Odd'"),
        ("grounding-me", {**ME, "image": "a.png"}, {"description": None}, "description is None"),
        ("grounding-me", {**ME, "image": "a.png"}, {"image": 3}, "image is 3; a picture's bytes or its path"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, refused, kind: str, base: Any, bad: Any, words: str) -> None:
    said = refused(kind, "--file", jsonl(tmp_path / "x.jsonl", base, {**base, **bad}))
    assert "x.jsonl: line 2: " in said and words in said


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ([], "ann_id is []; a list of whole numbers"),
        (["x"], "ann_id is ['x']"),
        ([-1, 5], "-1 means that there is no object, and must stand alone"),
        ([9], "ann_id is 9; "),
    ],
)
def test_wrong_annotations_of_grefcoco_are_named(tmp_path: Path, refused, annotations: Any, words: str) -> None:
    said = refused("grefcoco", "--root", grefcoco(tmp_path / "g", gref(0, annotations)))
    assert "grefs(unc).json: ref 0 (ref_id 0): " in said and words in said


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"caption_quality": 2}, "caption_quality is 2; 1, or 0"),
        ({"image_id": 9}, "no image of that id"),
        ({"bbox": 3}, "bbox is 3"),
    ],
)
def test_wrong_reviews_are_named(tmp_path: Path, refused, bad: Any, words: str) -> None:
    file = reviewed(tmp_path / "x.json", {**ANNOTATION, "image_id": 1, "caption_quality": 1, **bad})
    assert "x.json: annotations 0: " in (said := refused("refcoco-reviewed", "--file", file)) and words in said
