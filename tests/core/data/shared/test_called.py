"""Tests of what data are called: the option, the records' own field or the file's name, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import amodal_files
import pytest
from record_files import jsonl, picture

ROW = {"image": "a.png", "sent": "the left cup", "bbox": [1, 2, 30, 40], "width": 64, "height": 48}


def coco(folder: Path, *splits: str) -> Path:
    picture(folder / "a.png")
    own = [{"bbox": [n, 2, 30, 40], "expression": f"cup {n}", "split": split} for n, split in enumerate(splits)]
    return amodal_files.coco(folder / "mine_val.json", *own)


def test_own_split_wins_over_the_name_and_it_is_said(tmp_path: Path, convert: Any) -> None:
    found = convert("coco", "--file", coco(tmp_path, "train", "train", "test"))
    assert [one.split for one in found] == ["train", "train", "test"]
    words = "the records' own split is taken, train (2), test (1), not val, as the file's name tells; --split overrules"
    assert convert.said.count(words) == 1 and "taken as split" not in convert.said


def test_option_wins_over_the_records_and_it_is_said(tmp_path: Path, convert: Any) -> None:
    found = convert("coco", "--file", coco(tmp_path, "train", "val"), "--split", "val")
    assert [one.split for one in found] == ["val", "val"]
    assert convert.said.count("--split val is taken as the split, in place of the records' own, train (1); leave") == 1
    convert("coco", "--file", coco(tmp_path, "val", "val"), "--split", "val")
    assert "in place of" not in convert.said and "taken" not in convert.said.replace("taken as data set", "")


def test_files_that_agree_are_not_told_of(tmp_path: Path, convert: Any) -> None:
    convert("coco", "--file", coco(tmp_path, "val", "val"))
    assert "split is taken" not in convert.said and "taken as split" not in convert.said


@pytest.mark.parametrize("option", [(), ("--split", "test")])
def test_amodal_files_of_our_own_tell_it_too(tmp_path: Path, convert: Any, option: tuple[str, ...]) -> None:
    picture(tmp_path / "a.png")
    own = {"source": "mine", "split": "train", "licence": ""}
    file = amodal_files.cocoa(
        tmp_path / "COCO_amodal_val2014.json", amodal_files.region(1, "cup", (1, 2, 30, 40), **own), author="egm"
    )
    (found,) = convert("coco-amodal", "--file", file, *option)
    assert found.split == (option[1] if option else "train")
    said = "in place of the records' own, train (1)" if option else "own split is taken, train (1), not val"
    assert convert.said.count(said) == 1
    document = json.loads(file.read_text())
    document["annotations"][0]["regions"][0]["split"] = ""
    file.write_text(json.dumps(document))
    (found,) = convert("coco-amodal", "--file", file)
    assert found.split == "", "the file says that there is none"


def test_rows_of_reinforcement_learning_tell_it_too(tmp_path: Path, convert: Callable[..., Any]) -> None:
    row = {
        "reward_model": {"ground_truth": [10, 20, 300, 400]},
        "images": ["a.png"],
        "extra_info": {"split": "train", "index": 1, "question": "the left cup", "width": 64, "height": 48},
    }
    convert("egm", "--file", jsonl(tmp_path / "refcoco_val.jsonl", row))
    said = convert.said  # type: ignore[attr-defined]
    assert "own split is taken, train (1), not val" in said and "see that it is the right file" in said


def test_what_a_name_tells_is_said_once(tmp_path: Path, convert: Any) -> None:
    picture(tmp_path / "a.png")
    files = [jsonl(tmp_path / f"refcoco_val_{n}.jsonl", ROW, ROW) for n in (1, 2)]
    found = convert("internvl", "--file", *files)
    assert {(one.source, one.split) for one in found} == {("RefCOCO", "val")}
    words = f"taken as data set 'RefCOCO' by the name of {files[0]} and 1 more"
    assert convert.said.count(words) == 1 and "--source names another" in convert.said
    convert("internvl", "--file", *files, "--source", "mine", "--split", "val")
    assert "taken as" not in convert.said


def test_a_file_whose_name_tells_no_set_is_told_too(tmp_path: Path, convert: Any) -> None:
    picture(tmp_path / "a.png")
    file = jsonl(tmp_path / "rows.jsonl", ROW)
    (found,) = convert("internvl", "--file", file)
    assert (found.source, found.split) == ("rows", "")
    assert f"taken as data set 'rows' by the name of {file}; --source names another" in convert.said
    assert "taken as split" not in convert.said
