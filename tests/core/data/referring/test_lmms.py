"""lmms-lab's parquet files: rows are references, and their val is not the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from refer_files import ref, write

from egm_core.pictures.source import read_picture

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
PNG = cv2.imencode(".png", NOISE)[1].tobytes()


def row(number: int = 581857, sents: tuple[str, ...] = ("a mug", "the mug"), **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"q{number}",
        "image": {"bytes": PNG, "path": None},
        "question": "…",
        "answer": list(sents),
        "segmentation": [1.0, 2.0],
        "bbox": [4.0, 5.0, 20.5, 30.0],
        "iscrowd": 0,
        "file_name": f"COCO_train2014_{number:012d}_16.jpg",
        **more,
    }


def parquet(path: Path, *records: dict[str, Any]) -> Path:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.Table.from_pylist(list(records)), path, row_group_size=2)
    return path


def test_each_sentence_of_a_row_is_a_sample(tmp_path: Path, convert) -> None:
    file = parquet(tmp_path / "RefCOCOplus/data/testA-00000-of-00001.parquet", row(), row(7), row(8))
    samples = convert("lmms", "--file", file, missing=0)
    assert [s.sent for s in samples] == ["a mug", "the mug"] * 3
    last = samples[-1]
    assert (last.source, last.split) == ("RefCOCO+", "testA")
    assert (last.image_id, last.ref_id, last.sentence_id) == ("8", "q8", "1")
    assert last.bbox == (4, 5, 24.5, 35) and (last.width, last.height) == (64, 48)
    assert last.image == f"{file}::image::0" and np.array_equal(read_picture(last), NOISE[..., ::-1])
    assert "WARNING" not in convert.said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RefCOCO/val-0.parquet", "RefCOCO val of lmms-lab is not the paper's: of 8,811 rows 3,811 are of its"),
        ("RefCOCO/test-0.parquet", "RefCOCO test of lmms-lab is not the paper's: of 5,000 rows 0 are"),
        ("RefCOCOg/val-0.parquet", "of 7,573 rows 2,573 are"),
        ("x/y.parquet", "do not tell data set and split"),
    ],
)
def test_merged_splits_are_warned_of(tmp_path: Path, convert, name: str, words: str) -> None:
    convert("lmms", "--file", parquet(tmp_path / name, row()), missing=0)
    assert "WARNING" in convert.said and words in convert.said


def test_a_references_file_takes_its_own_split_once(tmp_path: Path, convert) -> None:
    refs = [ref(0, "val", ("A  mug", "the mug", "third")), ref(1, "train", ("cup",), 7), ref(2, "val", ("mug",))]
    root = write(tmp_path / "refcoco", refs)
    rows = [row(), row(7, ("cup",)), row(), row(9, ("unknown",)), row(581857, ("mug",))]
    file = parquet(tmp_path / "RefCOCO/val-0.parquet", *rows)
    samples = convert("lmms", "--file", file, "--refs", root / "refs(unc).p", missing=0)
    told = [(s.sent, s.ref_id, s.sentence_id) for s in samples]
    assert told == [("a mug", "0", "0"), ("the mug", "0", "1"), ("mug", "2", "20")]
    for words in (
        "1: rows of train by the references file, not of val",
        "1: rows that the references file lacks",
        "1: rows of a reference that stands there twice",
    ):
        assert words in convert.said
    assert "WARNING" not in convert.said


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"answer": "a mug"}, "answer is 'a mug'; a list"),
        ({"bbox": [1.0, 2.0]}, "bbox is [1.0, 2.0]; a list of 4 numbers"),
        ({"file_name": ""}, "file_name is ''"),
        ({"image": {"bytes": None, "path": None}}, "image is None; a picture's bytes or its path"),
        ({"image": {"bytes": b"x", "path": None}}, "the picture can't tell them"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, refused, bad: dict[str, Any], words: str) -> None:
    said = refused("lmms", "--file", parquet(tmp_path / "RefCOCOplus/val-0.parquet", row(**bad)))
    assert "val-0.parquet: row 0: " in said and words in said


def test_columns_that_are_missing_are_named(tmp_path: Path, refused) -> None:
    gone = {name: value for name, value in row().items() if name != "answer"}
    file = parquet(tmp_path / "RefCOCOplus/val-0.parquet", gone)
    assert "the field 'answer' is missing" in refused("lmms", "--file", file)
    file = parquet(tmp_path / "x/y.parquet", row())
    root = write(tmp_path / "refcoco", [ref(0, "val")])
    assert "name it with --split" in refused("lmms", "--file", file, "--refs", root / "refs(unc).p")


def test_each_file_has_its_own_split_and_data_set(tmp_path: Path, convert) -> None:
    names = ("RefCOCO/data/testA-0.parquet", "RefCOCO/data/testB-0.parquet", "RefCOCOplus/data/testA-0.parquet")
    files = [parquet(tmp_path / name, row(sents=("a mug",))) for name in names]
    samples = convert("lmms", "--file", *files, missing=0)
    told = [(sample.source, sample.split) for sample in samples]
    assert told == [("RefCOCO", "testA"), ("RefCOCO", "testB"), ("RefCOCO+", "testA")]
