"""A licence is recorded where a name says which data set it is, not for the kind of its reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from amodal_files import cocoa, region
from record_files import jsonl

from egm_core.data.readers.shared.licence import stated

ROW = {"image": "a.png", "sent": "x", "bbox": [1, 2, 30, 40], "width": 64, "height": 48}


@pytest.mark.parametrize(
    ("path", "names", "licensed"),
    [
        ("kitti/training/label_2", "kitti", True),
        ("data/KITTI/label_2", "kitti", True),
        ("mine/label_2", "kitti", False),
        ("notkitti/label_2", "kitti", False),
        ("kitti/a/b/c/mine.json", "kitti", False),
        ("D2S_amodal_validation.json", "d2sa|d2s_amodal", True),
    ],
)
def test_the_name_tells(path: str, names: str, licensed: bool) -> None:
    assert bool(stated(Path("/x/y/z") / path, names, "CC0")) == licensed


@pytest.mark.parametrize(("name", "licensed"), [("refcoco_val", True), ("kitchen", False), ("grefcocoish", False)])
def test_rows_of_internvl(convert: Any, tmp_path: Path, name: str, licensed: bool) -> None:
    (one,) = convert("internvl", "--file", jsonl(tmp_path / f"{name}.jsonl", ROW))
    assert bool(one.licence) == licensed
    assert convert.said.count("unknown; state it by --licence") == (not licensed)


@pytest.mark.parametrize(("name", "licensed"), [("COCO_amodal_val2014", True), ("kitchen", False)])
def test_regions(convert: Any, tmp_path: Path, name: str, licensed: bool) -> None:
    (one,) = convert("coco-amodal", "--file", cocoa(tmp_path / f"{name}.json", region(1, "cup", (1, 1, 9, 9))))
    assert bool(one.licence) == licensed


def test_a_licence_may_be_stated(convert: Any, tmp_path: Path) -> None:
    (one,) = convert("internvl", "--file", jsonl(tmp_path / "kitchen.jsonl", ROW), "--licence", "CC0")
    assert one.licence == "CC0" and "licence of the data: CC0" in convert.said
