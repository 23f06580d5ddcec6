"""Files that are broken, or made to break: each is refused by its name and place, and nothing escapes or hangs."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from record_files import picture

from egm_core.command.data import main
from egm_core.data.readers.kind import DataError, Place
from egm_core.data.readers.robots.tfrecords import examples, masked
from egm_core.data.readers.shared.pictures import size_of
from egm_core.data.readers.shared.plain_pickle import load
from egm_core.pictures.source import read

CUP = {"id": 1, "name": "cup"}
IMAGE = {"id": 1, "file_name": "a.png", "width": 64, "height": 48}


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308], ids=["huge", "low", "float"])
@pytest.mark.parametrize("field", ["bbox", "visible_fraction"])
def test_numbers_larger_than_any_float_are_named(tmp_path: Path, refused: Any, number: float, field: str) -> None:
    """JSON's whole numbers may have hundreds of digits: their sum is no float, and was an error without a place."""
    wrong = [1, 2, number, 4] if field == "bbox" else number
    annotation = {"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "expression": "x", field: wrong}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"images": [IMAGE], "annotations": [annotation], "categories": [CUP]}))
    assert f"annotation 1: {field} is" in refused("coco", "--file", file)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x02]r\xff\xff\xff\x7f.", "more memory than there is|no whole pickle"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "no whole pickle|more memory"),
        (b"cos\nsystem\n(S'true'\ntR.", "it names os.system"),
    ],
)
def test_pickles_that_ask_for_too_much_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.p").write_bytes(data)
    with pytest.raises(DataError, match=words):
        load(tmp_path / "x.p")


def test_a_value_nested_too_deep_to_show_is_named(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    assert "split is a list, nested too deep to show" in str(Place("x.p", "ref 0").wrong("split", deep, "a text"))


def test_broken_exif_says_nothing_of_the_size() -> None:
    data = io.BytesIO()
    Image.new("RGB", (60, 40)).save(data, "JPEG", exif=b"Exif\0\0XX\x00*\x08\0\0\0\xff\xff")
    assert size_of(data.getvalue(), Place("x.jpg")) == (60, 40)


def test_a_damaged_member_of_an_archive_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.png", np.random.default_rng(0).bytes(4000))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60:90] = bytes(range(200, 230))
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.zip: member 'x\.png' cannot be read"):
        read(f"{tmp_path}/a.zip::x.png")


def test_a_record_longer_than_any_memory_is_cut_short(tmp_path: Path) -> None:
    head = struct.pack("<Q", 1 << 63)
    (tmp_path / "x.tfrecord").write_bytes(head + struct.pack("<I", masked(head)) + b"abc")
    with pytest.raises(DataError, match=r"record 0: cut short: 9223372036854775808 bytes are told, 3 are there"):
        list(examples(tmp_path / "x.tfrecord"))


def test_a_damaged_table_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.parquet"
    # Texts that differ, so that they are not kept as one of a dictionary.
    rows = {"image": [f"{n}" * 50 for n in range(3000)], "sent": ["x"] * 3000, "bbox": [[1.0, 2.0, 3.0, 4.0]] * 3000}
    parquet.write_table(pa.table({**rows, "width": [9] * 3000, "height": [9] * 3000}), file)
    data = bytearray(file.read_bytes())
    data[40:400] = bytes(360)
    file.write_bytes(data)
    for command in (["stats", str(file)], ["convert", "egm", "--file", str(file), "--out", str(tmp_path / "o.jsonl")]):
        assert main(command) == 2
        assert "x.parquet: " in capsys.readouterr().err


def test_an_empty_file_among_others_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Any) -> None:
    """A file that was lost on its way would convert to less, and clean nothing, without a word."""
    picture(tmp_path / "a.png")
    record = {"image": "a.png", "sent": "x", "bbox": [1, 2, 30, 40], "width": 64, "height": 48}
    full, empty = tmp_path / "full.jsonl", tmp_path / "empty.jsonl"
    full.write_text(json.dumps(record) + "\n")
    empty.write_text("\n")
    assert "empty.jsonl: the file holds no record" in refused("internvl", "--file", full, empty)
    assert main(["decontaminate", str(full), "--against", str(empty)]) == 2
    assert "empty.jsonl: the file holds no sample" in capsys.readouterr().err


def test_one_id_of_two_pictures_is_refused_in_reviewed_labels(tmp_path: Path, refused: Any) -> None:
    file = tmp_path / "refcoco_val_reviewed.json"
    images = [{**IMAGE, "caption": "x"}, {**IMAGE, "caption": "y"}]
    file.write_text(json.dumps({"images": images, "annotations": []}))
    assert "the image id 1 stands for something else" in refused("refcoco-reviewed", "--file", file)


def test_a_picture_in_the_place_of_a_path_does_not_fill_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"image": b"x" * 3000, "sent": "x", "bbox": [1.0, 2.0, 3.0, 4.0], "width": 9, "height": 9}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "x.parquet")
    for command in ("stats", "check"):
        assert main([command, str(tmp_path / "x.parquet")]) == 2
        said = capsys.readouterr().err
        assert "x.parquet:1: image is b'xxx" in said and "give a text" in said and len(said) < 500


@pytest.mark.parametrize("name", ["empty.json", "empty.parquet", "empty.jsonl", "empty.tsv"])
def test_a_table_without_a_row_is_named_whatever_it_is_stored_in(tmp_path: Path, refused: Any, name: str) -> None:
    file, kind = tmp_path / name, "vlmevalkit" if name.endswith("tsv") else "egm"
    file.write_text("index\timage\tquestion\n" if kind == "vlmevalkit" else "[]" if name == "empty.json" else "")
    if name == "empty.parquet":
        parquet.write_table(pa.table({"image": pa.array([], pa.string())}), file)
    assert f"{name}: the file holds no record" in refused(kind, "--file", file)


@pytest.mark.parametrize("wrong", [[1], {}, 1.5, True, "\ud800"], ids=repr)
def test_an_id_that_is_none_is_named_in_cocos_files(tmp_path: Path, refused: Any, wrong: Any) -> None:
    annotation = {"id": wrong, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "expression": "x"}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"images": [IMAGE], "annotations": [annotation], "categories": [CUP]}))
    assert "annotation 1: id is" in refused("coco", "--file", file)


def test_a_text_that_is_none_in_a_table_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parquet has no checksum of its own, so damage may be in a text's letters alone."""
    row = {"image": "a.png", "sent": "hello", "bbox": [1.0, 2.0, 3.0, 4.0], "width": 9, "height": 9}
    file = tmp_path / "x.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), file, compression="none", use_dictionary=False)
    file.write_bytes(file.read_bytes().replace(b"hello", b"he\xffl\xff"))
    for command in (["stats", str(file)], ["convert", "egm", "--file", str(file), "--out", str(tmp_path / "o.jsonl")]):
        assert main(command) == 2
        assert "x.parquet: " in capsys.readouterr().err


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    cell = {"image": {"bytes": b"abc", "path": "hello"}}
    parquet.write_table(pa.Table.from_pylist([cell]), tmp_path / "x.parquet", use_dictionary=False, compression="none")
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data.replace(b"hello", b"he\xffl\xff"))
    with pytest.raises(ValueError, match=r"x\.parquet: column 'image' of row 0 is damaged"):
        read(f"{tmp_path}/x.parquet::image::0")


@pytest.mark.parametrize("kind", ["vlmevalkit", "lmms", "internvl"])
@pytest.mark.parametrize("wrong", ["hello", "size"])
def test_no_file_is_written_with_a_picture_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, wrong: str
) -> None:
    """Its reader refused what the writer had written without a word."""
    picture(tmp_path / "a.png", 32, 24)
    if wrong == "hello":
        (tmp_path / "a.png").write_text(wrong)
    record = {"image": "a.png", "sent": "x", "bbox": [1, 2, 30, 40], "width": 64, "height": 48}
    (tmp_path / "s.jsonl").write_text(json.dumps(record) + "\n")
    out = tmp_path / "o" / {"vlmevalkit": "o.tsv", "lmms": "val-0.parquet", "internvl": "o.jsonl"}[kind]
    copy = ["--copy"] if kind == "internvl" else []
    assert main(["write", kind, str(tmp_path / "s.jsonl"), "--out", str(out), *copy]) == 2
    said = capsys.readouterr().err
    assert "a.png: is " in said and ("is no picture" in said if wrong == "hello" else "is 32 x 24" in said)
    assert not out.exists()
