"""What names of files and tables tell of a data set and its split."""

from __future__ import annotations

import pytest

from egm_core.data.readers.shared.pictures import coco_id
from egm_core.data.readers.shared.splits import told


@pytest.mark.parametrize(
    ("name", "set_and_split"),
    [
        ("refcoco_val", ("RefCOCO", "val")),
        ("refcoco+_testA", ("RefCOCO+", "testA")),
        ("refcocop_testB", ("RefCOCO+", "testB")),
        ("RefCOCOplus", ("RefCOCO+", "")),
        ("refcocog_umd_test", ("RefCOCOg", "test")),
        ("refcoco_unc_train", ("RefCOCO", "train")),
        ("RefCOCO+ testA", ("RefCOCO+", "testA")),
        ("RefCOCOg_val_reviewed", ("RefCOCOg", "val")),
        ("refcoco", ("RefCOCO", "")),
        ("grounding_training", ("", "")),
        ("refcoco_testing", ("RefCOCO", "")),
    ],
)
def test_names_tell(name: str, set_and_split: tuple[str, str]) -> None:
    assert told(name) == set_and_split


@pytest.mark.parametrize(
    ("image", "number"),
    [
        ("train2014/COCO_train2014_000000581857.jpg", "581857"),
        ("COCO_train2014_000000581857_16.jpg", "581857"),
        ("val2017/000000000139.jpg", "139"),
        ("139.jpg", ""),
        ("images/00001_2.jpg", ""),
        ("COCO_val2014_000000000042.png", "42"),
    ],
)
def test_only_names_of_coco_tell_an_id(image: str, number: str) -> None:
    assert coco_id(image) == number
