"""Categories of objects, where a kind of file has a place for them, and what is said where it has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_files import picture

from egm_core.command.data import main
from egm_core.sample import Sample, write_samples

OUT = {"refer": "mine", "coco": "c.json", "coco-amodal": "c.json", "internvl": "i.jsonl", "vlmevalkit": "t.tsv",
       "lmms": "val.parquet"}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A sample with a category, and one without."""
    box = (1.0, 2.0, 20.0, 30.0)
    mug = Sample(str(picture(tmp_path / "a.png")), "the red one", box, box, 1.0, 48, 64, source="mine", category="mug")
    lid = replace(mug, sent="the blue lid on it", bbox=(30.0, 2.0, 50.0, 9.0), amodal_bbox=(30.0, 2.0, 50.0, 9.0))
    write_samples(tmp_path / "s.jsonl", [replace(mug, licence="CC0"), replace(lid, category="")])
    return tmp_path / "s.jsonl"


@pytest.mark.parametrize("kind", ["refer", "coco", "coco-amodal"])
def test_categories_come_back(convert: Any, file: Path, tmp_path: Path, capsys: Any, kind: str) -> None:
    out = tmp_path / OUT[kind]
    assert main(["write", kind, str(file), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert "1 objects have no category" in said and "'lid' for 'the blue lid on it'" in said
    where = ["--root", out, "--images", out] if kind == "refer" else ["--file", out]
    assert [one.category for one in convert(kind, *where)] == ["mug", "lid"]


@pytest.mark.parametrize("kind", ["internvl", "vlmevalkit", "lmms"])
def test_categories_without_a_place_are_said(file: Path, tmp_path: Path, capsys: Any, kind: str) -> None:
    assert main(["write", kind, str(file), "--out", str(tmp_path / OUT[kind])]) == 0
    said = capsys.readouterr().err
    assert "no place for them" in said and "categories (1)" in said and "licences (1)" in said


def test_a_written_file_says_whose_data_it_holds(convert: Any, file: Path, tmp_path: Path) -> None:
    """Our own data are not COCO-Amodal's, whatever their file is called."""
    out = tmp_path / "COCO_amodal_val2014.json"
    assert main(["write", "coco-amodal", str(file), "--out", str(out)]) == 0
    found = convert("coco-amodal", "--file", out)
    assert [(one.source, one.licence) for one in found] == [("mine", "CC0"), ("mine", "")]
    assert "licence of 1 of 2 records: unknown; state it by --licence" in convert.said


def test_boxes_for_masks_are_not_taken_for_exchanged(convert: Any, file: Path, tmp_path: Path) -> None:
    picture_ = str(tmp_path / "a.png")
    front = Sample(picture_, "cup", (0, 0, 10, 40), (0, 0, 10, 40), 1.0, 48, 64, depth_order=1)
    # A third of its box is seen, and two thirds of the object.
    behind = replace(front, sent="book", bbox=(10, 0, 15, 40), amodal_bbox=(0, 0, 15, 40), visible_fraction=2 / 3,
                     occluders=("cup",), depth_order=2)  # fmt: skip
    write_samples(file, [front, behind])
    assert main(["write", "coco-amodal", str(file), "--out", str(tmp_path / "c.json")]) == 0
    found = convert("coco-amodal", "--file", tmp_path / "c.json")
    assert len(found) == 2 and "exchanged" not in convert.said
