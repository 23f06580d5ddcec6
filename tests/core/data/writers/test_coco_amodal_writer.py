"""Samples as a COCO-Amodal file: generated worlds and hand-made samples come back box by box."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from egm_core.command.data import main
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.scenes.files.export import export, rendered

CUP = Sample("a.png", "cup", (1.0, 2.0, 20.0, 30.0), (1.0, 2.0, 20.0, 30.0), 1.0, 48, 64)
BOOK = Sample(
    "a.png", "book", (20.0, 5.0, 40.0, 25.0), (10.5, 5.0, 40.0, 25.0), 0.6, 48, 64, occluders=("cup",), depth_order=7
)


def read_back(convert: Any, folder: Path, samples: list[Sample]) -> list[Sample]:
    """Write samples by the command and read them by the command."""
    file, out = folder / "s.jsonl", folder / "x.json"
    write_samples(file, [replace(one, image=str(folder / one.image)) for one in samples])
    assert main(["write", "coco-amodal", str(file), "--out", str(out)]) == 0
    return list(convert("coco-amodal", "--file", out, "--names", "all"))


def test_boxes_and_shares_come_back(convert: Any, tmp_path: Path) -> None:
    absent = replace(CUP, bbox=None, amodal_bbox=None, visible_fraction=None)
    hidden = replace(BOOK, sent="lid", bbox=None, visible_fraction=0.0, occluders=())
    leaving = replace(BOOK, sent="tray", amodal_bbox=(-14.5, 5.0, 70.25, 25.0), occluders=())
    found = read_back(convert, tmp_path, [replace(CUP, depth_order=2), BOOK, absent, hidden, leaving])
    for one, sent in zip(found, [CUP, BOOK, hidden, leaving], strict=True):
        assert (one.sent, one.bbox, one.amodal_bbox) == (sent.sent, sent.bbox, sent.truth("amodal"))
        assert one.visible_fraction == pytest.approx(sent.visible_fraction)


def test_a_box_may_be_whole_and_the_object_not(convert: Any, tmp_path: Path) -> None:
    (found,) = read_back(convert, tmp_path, [replace(CUP, visible_fraction=0.8)])
    assert (found.bbox, found.amodal_bbox) == (CUP.bbox, CUP.amodal_bbox)
    assert found.visible_fraction == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bbox": None, "task": "amodal"}, "objects whose visible box is not known"),
        ({"amodal_bbox": None}, "objects whose amodal box is not known"),
        ({"bbox": None, "amodal_bbox": None}, "absent objects"),
    ],
)
def test_what_has_no_place_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], words: str
) -> None:
    write_samples(tmp_path / "s.jsonl", [BOOK, replace(CUP, **change)])
    assert main(["write", "coco-amodal", str(tmp_path / "s.jsonl"), "--out", str(tmp_path / "x.json")]) == 0
    assert f"left out 1: {words}" in capsys.readouterr().err


def test_generated_worlds_come_back(convert: Any, tmp_path: Path) -> None:
    export(tmp_path, rendered(3, 2))
    asked = list(read_samples(tmp_path / "samples.jsonl"))
    known = [one for one in asked if one.amodal_bbox is not None]
    first: dict[Any, Sample] = {}
    for one in known:
        first.setdefault((one.image, one.bbox, one.amodal_bbox), one)
    kept = list(first.values())
    assert main(["write", "coco-amodal", str(tmp_path / "samples.jsonl"), "--out", str(tmp_path / "x.json")]) == 0
    back = convert("coco-amodal", "--file", tmp_path / "x.json", "--names", "all", missing=0)
    assert len(back) == len(kept) > 5
    for one, sent in zip(back, kept, strict=True):
        assert (one.sent, one.amodal_bbox) == (sent.sent.rstrip(" .,;"), sent.truth("amodal"))
        assert one.bbox == pytest.approx(sent.bbox) and one.visible_fraction == pytest.approx(sent.visible_fraction)
        assert Path(one.image) == Path(sent.image)


def test_no_occluder_and_no_second_object_is_invented(convert: Any, tmp_path: Path) -> None:
    again = replace(BOOK, sent="the book on the table")
    found = read_back(convert, tmp_path, [replace(CUP, sent="tall mug"), replace(BOOK, occluders=()), again])
    assert [one.sent for one in found] == ["tall mug", "book"]
    assert [one.occluders for one in found] == [(), ()]
    for words in ("further expressions of an object", "the depth of some objects is not known"):
        assert words in convert.said


def test_two_objects_of_one_name_are_not_guessed_between(convert: Any, tmp_path: Path) -> None:
    other = replace(CUP, bbox=(2.0, 2.0, 19.0, 29.0), amodal_bbox=(2.0, 2.0, 19.0, 29.0))
    found = read_back(convert, tmp_path, [CUP, other, BOOK])
    assert [one.occluders for one in found] == [(), (), ("cup",)], "the name is kept, and no region is chosen"
    (annotation,) = json.loads((tmp_path / "x.json").read_text())["annotations"]
    assert annotation["depth_constraint"] == ""


def test_what_hides_comes_first_where_depth_is_not_known(convert: Any, tmp_path: Path) -> None:
    found = read_back(convert, tmp_path, [replace(BOOK, depth_order=None), CUP])
    assert [(one.sent, one.depth_order, one.occluders) for one in found] == [
        ("book", None, ("cup",)),
        ("cup", None, ()),
    ]
    (annotation,) = json.loads((tmp_path / "x.json").read_text())["annotations"]
    assert [one["order"] for one in annotation["regions"]] == [2, 1] and annotation["depth_constraint"] == "1-2"


VASE = (4.0, 4.0, 19.0, 24.0)


def test_what_hides_and_is_no_sample_is_a_region_with_its_box(
    convert: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = replace(BOOK, occluders=("blue_vase.", "hand"), occluder_boxes=(VASE,), depth_order=3)
    file, out = tmp_path / "s.jsonl", tmp_path / "x.json"
    write_samples(file, [replace(one, image="a.png") for one in (book, replace(CUP, depth_order=9))])
    assert main(["write", "coco-amodal", str(file), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "2 samples -> " in said.out and "1 regions stand for what hides an object" in said.err
    assert "1 names of what hides an object belong to no region" in said.err and "(sample 1: hand)" in said.err
    assert "left out" not in said.err
    (annotation,) = json.loads(out.read_text())["annotations"]
    vase = annotation["regions"][2]
    assert (vase["name"], vase["segmentation"]) == ("blue_vase.", [4, 4, 19, 4, 19, 24, 4, 24])
    orders = [one["order"] for one in annotation["regions"]]
    assert annotation["depth_constraint"] == f"{vase['order']}-{orders[0]}" and vase["order"] < orders[0] < orders[1]
    again, cup = convert("coco-amodal", "--file", out)
    assert (again.occluders, again.occluder_boxes, again.depth_order) == (book.occluders, (VASE,), 3)
    assert (cup.sent, cup.depth_order) == ("cup", 9) and "left out" not in convert.said


def test_what_hides_keeps_its_name_where_it_is_a_sample(convert: Any, tmp_path: Path) -> None:
    mug = replace(CUP, sent="the tall mug on the left")
    cat = replace(
        CUP, sent="cat", bbox=(41.0, 5.0, 50.0, 25.0), amodal_bbox=(38.0, 5.0, 50.0, 25.0), occluders=("vase",)
    )
    book = replace(BOOK, occluders=("mug",), occluder_boxes=(mug.bbox,))  # type: ignore[arg-type]
    found = read_back(convert, tmp_path, [mug, book, cat, replace(cat, sent="dog", annotation_id="5")])
    assert [one.occluders for one in found] == [(), ("mug",), ("vase",), ("vase",)]
    assert [one.occluder_boxes for one in found] == [(), (mug.bbox,), (), ()]
    (annotation,) = json.loads((tmp_path / "x.json").read_text())["annotations"]
    assert len(annotation["regions"]) == 4, "the mug is a region already"
