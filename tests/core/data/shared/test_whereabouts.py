"""Tests of what is said of pictures that are not where the file's names for them lead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import amodal_files
import pytest
import refer_files
from record_files import jsonl, picture

from egm_core.data.readers.shared.whereabouts import whereabouts

ROW = {"sent": "the left cup", "bbox": [1, 2, 30, 40], "width": 64, "height": 48}


@pytest.mark.parametrize(
    ("lies", "named", "given", "right"),
    [
        ("coco/train2014/a.jpg", "train2014/a.jpg", "coco/train2014", "coco"),
        ("coco/train2014/a.jpg", "coco/train2014/a.jpg", "coco/train2014", "."),
        ("coco/train2014/a.jpg", "a.jpg", "coco", "coco/train2014"),
        ("data/coco/train2014/a.jpg", "train2014/a.jpg", "data", "data/coco"),
        ("coco/train2014/a.jpg", "a.jpg", "coco/val2014", "coco/train2014"),
    ],
)
def test_folder_that_would_do_is_named(
    tmp_path: Path, refused: Callable[..., str], lies: str, named: str, given: str, right: str
) -> None:
    picture(tmp_path / lies)
    (tmp_path / given).mkdir(parents=True, exist_ok=True)
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": named})
    said = refused("internvl", "--file", file, "--images", tmp_path / given, missing=0)
    assert str(tmp_path / given / named) in said and repr(named) in said
    assert f"it is there with --images {tmp_path / right}, or allow" in said


def test_named_folder_works(tmp_path: Path, convert: Callable[..., list[object]]) -> None:
    picture(tmp_path / "coco" / "train2014" / "a.jpg")
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "train2014/a.jpg"})
    assert len(convert("internvl", "--file", file, "--images", tmp_path / "coco", missing=0.0)) == 1


def test_relative_folder_is_named_as_it_was_given(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "coco" / "train2014" / "a.jpg")
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "train2014/a.jpg"})
    monkeypatch.chdir(tmp_path)
    assert "with --images coco," in refused("internvl", "--file", file, "--images", "coco/train2014", missing=0)
    monkeypatch.chdir(tmp_path / "coco" / "train2014")
    assert "with --images ..," in refused("internvl", "--file", file, "--images", ".", missing=0)


def test_names_with_folders_of_their_own_are_told(tmp_path: Path, refused: Callable[..., str]) -> None:
    picture(tmp_path / "photos" / "a.jpg")
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "coco/train2014/a.jpg"})
    said = refused("internvl", "--file", file, "--images", tmp_path / "photos", missing=0)
    assert f"{tmp_path / 'photos' / 'a.jpg'} is there: take 'coco/train2014/' off the file's names" in said
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "/home/other/coco/a.jpg"})
    said = refused("internvl", "--file", file, "--images", tmp_path / "photos", missing=0)
    assert "take '/home/other/coco/' off the file's names" in said and "no folder is put before" in said


def test_folder_that_is_not_there_is_told(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "a.jpg"})
    assert f"there is no folder {tmp_path / 'phtos'}" in refused(
        "internvl", "--file", file, "--images", tmp_path / "phtos", missing=0
    )


def test_where_nothing_tells_the_folder_looked_in_is_said(tmp_path: Path, refused: Callable[..., str]) -> None:
    # The folders of other tests lie beside this one's, and may have an a.jpg.
    file = jsonl(tmp_path / "rows.jsonl", ROW | {"image": "nobody has this.jpg"})
    said = refused("internvl", "--file", file, missing=0)
    assert (
        f"name their folder with --images, which paths that begin with / do not heed (looked for below {tmp_path})"
        in said
    )


def test_few_that_are_missing_are_told_too(tmp_path: Path, convert: Callable[..., list[object]]) -> None:
    picture(tmp_path / "coco" / "train2014" / "a.jpg")
    rows = [ROW | {"image": "train2014/a.jpg"}, ROW | {"image": "train2014/b.jpg"}]
    convert("internvl", "--file", jsonl(tmp_path / "rows.jsonl", *rows), "--images", tmp_path / "coco" / "train2014")
    assert f"1 of 2 such are there with --images {tmp_path / 'coco'}" in convert.said  # type: ignore[attr-defined]
    convert("internvl", "--file", jsonl(tmp_path / "rows.jsonl", *rows), "--images", tmp_path / "coco")
    assert "1 pictures are missing" in convert.said and "there with" not in convert.said  # type: ignore[attr-defined]


def test_size_that_a_missing_picture_cannot_tell(tmp_path: Path, refused: Callable[..., str]) -> None:
    picture(tmp_path / "coco" / "train2014" / "a.jpg")
    row = {"image": "train2014/a.jpg", "sent": "the left cup", "bbox": [1, 2, 30, 40]}
    file = jsonl(tmp_path / "rows.jsonl", row)
    said = refused("internvl", "--file", file, "--images", tmp_path / "coco" / "train2014")
    assert f"it is there with --images {tmp_path / 'coco'}" in said


def test_places_in_archives_and_addresses_are_passed_over(tmp_path: Path) -> None:
    assert whereabouts(["x.zip::a.jpg"], [tmp_path]) == "" == whereabouts(["https://example.org/a.jpg"], [tmp_path])


@pytest.mark.parametrize("kind", ["coco", "coco-amodal", "refer", "kitti"])
def test_every_kind_of_file_tells_it(tmp_path: Path, refused: Callable[..., str], kind: str) -> None:
    name = amodal_files.IMAGE["file_name"] if kind != "refer" else refer_files.IMAGE["file_name"]
    picture(tmp_path / "coco" / "train2014" / name)
    file = tmp_path / "file.json"
    if kind == "coco":
        amodal_files.coco(file, {"bbox": [1, 2, 30, 40]})
    elif kind == "coco-amodal":
        amodal_files.cocoa(file, amodal_files.region(1, "cup", (1, 2, 30, 40)))
    elif kind == "kitti":
        file = tmp_path / "a.txt"
        file.write_text("Car 0.00 0 -1.58 1 2 30 40 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n", encoding="ascii")
    else:
        refer_files.write(tmp_path / "refcoco", [refer_files.REF])
    files = {"refer": ("--root", tmp_path / "refcoco"), "kitti": ("--labels", file)}.get(kind, ("--file", file))
    said = refused(kind, *files, "--images", tmp_path / "coco", missing=0)
    assert f"with --images {tmp_path / 'coco' / 'train2014'}" in said
