"""VLMEvalKit's table: pictures in base64, an index that is not unique, sizes that are not told."""

from __future__ import annotations

import base64
import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.pictures.source import read_picture

HEADING = (
    "index",
    "image",
    "question",
    "answer",
    "category",
    "split",
    "dataset",
    "width",
    "height",
    "bbox_x1",
    "bbox_y1",
    "bbox_x2",
    "bbox_y2",
    "bbox_x1_norm",
    "bbox_y1_norm",
    "bbox_x2_norm",
    "bbox_y2_norm",
)
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
PNG = base64.b64encode(cv2.imencode(".png", NOISE)[1].tobytes()).decode()
ROW = {
    "index": "0",
    "image": PNG,
    "question": "the mug",
    "answer": "[1,2,30,40]",
    "category": "RefCOCO+ testA",
    "split": "testA",
    "dataset": "RefCOCO+",
    "width": "64",
    "height": "48",
    "bbox_x1": "1",
    "bbox_y1": "2",
    "bbox_x2": "30",
    "bbox_y2": "40.5",
}


def tsv(path: Path, *rows: dict[str, str], heading: tuple[str, ...] = HEADING) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, heading, delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_are_sentences_and_their_pictures_are_referred_to(tmp_path: Path, convert) -> None:
    file = tsv(tmp_path / "RefCOCO.tsv", {**ROW, "question": 'two\nlines "of" it'}, {**ROW, "index": "1"})
    first, second = convert("vlmevalkit", "--file", file, missing=0)
    assert (second.source, second.split, second.sentence_id) == ("RefCOCO+", "testA", "1")
    assert second.bbox == (1, 2, 30, 40.5) and second.image == first.image == f"{file}::image::0"
    assert all(np.array_equal(read_picture(sample), NOISE[..., ::-1]) for sample in (first, second))


def test_sizes_and_boxes_that_are_not_told_are_found(tmp_path: Path, convert) -> None:
    relative = {"bbox_x1_norm": "0.5", "bbox_y1_norm": "0.25", "bbox_x2_norm": "1.0", "bbox_y2_norm": "0.5"}
    no_box = {name: value for name, value in ROW.items() if not name.startswith("bbox")}
    rows = [{**no_box, **relative, "width": size, "height": size} for size in ("", "1.0")]
    samples = convert("vlmevalkit", "--file", tsv(tmp_path / "x.tsv", *rows), missing=0)
    assert [(s.width, s.height, s.bbox) for s in samples] == [(64, 48, (32, 12, 64, 24))] * 2


def test_a_row_may_name_another_rows_picture_within_its_split(tmp_path: Path, convert, refused) -> None:
    own = base64.b64encode(cv2.imencode(".png", 255 - NOISE)[1].tobytes()).decode()
    other = {**ROW, "category": "RefCOCO val", "image": own}
    file = tsv(tmp_path / "x.tsv", ROW, other, {**other, "index": "5", "image": "0", "width": ""}, other)
    samples = convert("vlmevalkit", "--file", file, missing=0)
    assert [s.image.rpartition("::")[2] for s in samples] == ["0", "1", "1", "1"]
    assert samples[2].width == 64 and "'0' is the index of several rows of 'RefCOCO val'" in convert.said
    said = refused("vlmevalkit", "--file", tsv(tmp_path / "y.tsv", other, {**ROW, "image": "7"}))
    assert "y.tsv: row 1: image is '7'; no row above of 'RefCOCO+ testA' has that index" in said


def test_prompts_in_the_place_of_expressions_are_read(tmp_path: Path, convert) -> None:
    asked = {**ROW, "question": "Please provide … this sentence describes: <ref>the mug</ref>", "category": ""}
    (sample,) = convert("vlmevalkit", "--file", tsv(tmp_path / "x.tsv", asked), missing=0)
    assert (sample.sent, sample.source, sample.split) == ("the mug", "RefCOCO+", "testA")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"bbox_x1": "x"}, "bbox_x1 is 'x'; a number must stand here"),
        ({"bbox_x1": "nan"}, "bbox_x1 is 'nan'"),
        ({"bbox_x1": ""}, "the row has neither bbox_x1"),
        ({"bbox_x1": "90"}, "bbox is [90.0, 2.0, 30.0, 40.5]; x0, y0, x1, y1"),
        ({"width": "wide"}, "width is 'wide'"),
        ({"width": "64.5"}, "width is 64.5; a whole number"),
        ({"question": " "}, "question is ' '"),
        ({"image": ""}, "image is ''"),
        ({"image": "!" * 100, "width": ""}, "image is no base64"),
        # The size is told, so nothing else would look into the cell.
        ({"image": "!" * 100}, "image is no base64"),
        ({"image": "é" * 100}, "image is no base64"),
        ({"image": PNG[:-3]}, "image is no base64"),
        ({"image": "A" * 100}, "image is no picture"),
        ({"image": "A" * 100, "width": ""}, "image is no picture"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, refused, bad: dict[str, str], words: str) -> None:
    said = refused("vlmevalkit", "--file", tsv(tmp_path / "x.tsv", ROW, {**ROW, "index": "9", **bad}))
    assert "x.tsv: row 1: " in said and words in said


def test_wrong_tables_are_named(tmp_path: Path, refused) -> None:
    file = tsv(tmp_path / "x.tsv", heading=("index", "question"))
    assert "it has no column image" in refused("vlmevalkit", "--file", file)
    (tmp_path / "y.tsv").write_text("index\timage\tquestion\n1\tx\n")
    assert "row 0: it has 2 cells, and the heading 3" in refused("vlmevalkit", "--file", tmp_path / "y.tsv")
    (tmp_path / "z.tsv").write_bytes(b"index\timage\tquestion\n\xff\xfe")
    assert "no table parted by tabs" in refused("vlmevalkit", "--file", tmp_path / "z.tsv")
    assert "must end in .tsv" in refused("vlmevalkit", "--file", tsv(tmp_path / "x.txt", ROW))


def test_a_quote_that_is_not_doubled_swallows_no_row(tmp_path: Path, refused) -> None:
    file = tsv(tmp_path / "x.tsv", {**ROW, "question": "MARK"}, {**ROW, "index": "1", "question": 'the 5" plate'})
    file.write_text(file.read_text().replace("MARK", '"the mug').replace('"the 5"" plate"', 'the 5" plate'))
    assert "no tab may stand here" in refused("vlmevalkit", "--file", file)


@pytest.mark.parametrize("number", ["1_0", "\uff11", "0x1"])
def test_python_alone_takes_such_a_number(tmp_path: Path, refused, number: str) -> None:
    said = refused("vlmevalkit", "--file", tsv(tmp_path / "t.tsv", {**ROW, "bbox_x1": number}))
    assert f"row 0: bbox_x1 is '{number}'" in said
