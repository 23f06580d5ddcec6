"""Pictures of one file in another: by id and size, by look through recoding and mirroring, and never by chance."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.command.data import main
from egm_core.data.decontaminate import THRESHOLD, Pictures, by_id, look
from egm_core.pictures.pixels import read_image
from egm_core.sample import Sample, read_samples, write_samples

ONE = Sample("x.png", "the mug", (0, 0, 30, 40), None, None, 96, 128)


def scene(seed: int) -> np.ndarray:
    """A picture of a few large shapes."""
    draws = np.random.default_rng(seed)
    picture = np.full((96, 128, 3), draws.integers(60, 200), np.uint8)
    for _ in range(8):
        x, y, wide, high = draws.integers(0, 100), draws.integers(0, 70), draws.integers(10, 60), draws.integers(10, 50)
        color = tuple(map(int, draws.integers(0, 256, 3)))
        cv2.rectangle(picture, (int(x), int(y)), (int(x + wide), int(y + high)), color, -1)
    return picture


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Five pictures to clean: one's twin in the other file is a small JPEG, one's is mirrored, one's has its id."""
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(number))
    small = cv2.resize(scene(0), (64, 48), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "small.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 50])
    cv2.imwrite(str(tmp_path / "turned.png"), scene(1)[:, ::-1])

    def sample(name: str, **more: Any) -> Sample:
        return dataclasses.replace(ONE, image=str(tmp_path / name), **more)

    write_samples(
        tmp_path / "ours.jsonl",
        [
            sample("0.png"),
            sample("0.png", sent="the lid"),
            sample("1.png", mirrored=True),
            sample("2.png", image_id="42"),
            sample("3.png", image_id="7"),
            sample("4.png"),
        ],
    )
    write_samples(
        tmp_path / "theirs.jsonl",
        [
            sample("small.jpg", width=64, height=48),
            sample("turned.png"),
            sample("5.png", image_id="000042"),
            sample("5.png", image_id="7", width=640, height=480),
        ],
    )
    return tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"


def test_what_is_met_is_counted_named_and_left_out(files: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    ours, theirs = files
    arguments = ["decontaminate", str(ours), "--against", str(theirs), "--list", str(tmp_path / "met.txt")]
    assert main([*arguments, "--out", str(tmp_path / "clean.jsonl")]) == 0
    said = capsys.readouterr().out
    assert "5 pictures against 3" in said
    assert "1 met by id and size" in said and f"2 met by look, at most {THRESHOLD} of 64 bits apart" in said
    assert "2 samples -> " in said and "; 4 left out" in said
    assert [Path(s.image).name for s in read_samples(tmp_path / "clean.jsonl")] == ["3.png", "4.png"]
    met = [line.split("\t") for line in (tmp_path / "met.txt").read_text().splitlines()]
    assert [(Path(a).name, Path(b).name) for a, b, _ in met] == [
        ("2.png", "5.png"),
        ("0.png", "small.jpg"),
        ("1.png", "turned.png"),
    ]


def test_ids_alone_and_a_count_alone(files: tuple[Path, Path], capsys: Any) -> None:
    ours, theirs = files
    assert main(["decontaminate", str(ours), "--against", str(theirs), "--ids-only"]) == 0
    said = capsys.readouterr().out
    assert "by look" not in said and "1 samples show a picture that is met; --out writes the others" in said


def test_an_id_counts_with_the_size_alone() -> None:
    ours = Pictures.of([dataclasses.replace(ONE, image="/a/COCO_train2014_000000000009.jpg")])
    same = Pictures.of([dataclasses.replace(ONE, image="/b/9.png", image_id="9")])
    other = Pictures.of([dataclasses.replace(ONE, image="/b/9.png", image_id="9", width=1242, height=375)])
    assert by_id(ours, same) and not by_id(ours, other)
    assert by_id(ours, ours)["/a/COCO_train2014_000000000009.jpg"].why == "the same id and size"
    table = Pictures.of([dataclasses.replace(ONE, image="v.parquet::image::3")])
    assert not by_id(table, Pictures.of([dataclasses.replace(ONE, image="v.parquet::image::4")]))
    assert not by_id(ours, Pictures.of([ONE]))


def test_numbers_of_two_data_sets_of_their_own_are_not_one_id() -> None:
    def of(source: str) -> Pictures:
        return Pictures.of([dataclasses.replace(ONE, image=f"/{source}/9.png", image_id="9", source=source)])

    assert not by_id(of("kitchen_train"), of("office_val"))
    assert by_id(
        of("kitchen"), Pictures.of([dataclasses.replace(ONE, image="/c/9.png", image_id="9", source="kitchen")])
    )
    assert by_id(of("RefCOCO+"), of("COCO-Amodal"))


def test_pictures_that_cannot_be_read_are_named(files: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    ours, theirs = files
    (tmp_path / "4.png").unlink()
    assert main(["decontaminate", str(ours), "--against", str(theirs)]) == 0
    said = capsys.readouterr().err
    assert "4.png is not there" in said and "1 pictures cannot be read" in said


def test_wrong_calls_are_named(files: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    ours, _ = files
    assert main(["decontaminate", str(ours), "--against", str(ours)]) == 2
    assert "is the file to clean" in capsys.readouterr().err
    write_samples(tmp_path / "copy.jsonl", read_samples(ours))
    out = tmp_path / "clean.jsonl"
    assert main(["decontaminate", str(ours), "--against", str(tmp_path / "copy.jsonl"), "--out", str(out)]) == 2
    assert "nothing would be left" in capsys.readouterr().err and not out.exists()


def test_looks_of_real_photographs_differ_and_survive_recoding(photographs: Path) -> None:
    pictures = [read_image(path) for path in sorted(photographs.glob("*/images/*.jpg"))]
    found = [look(picture) for picture in pictures]
    assert len(found) > 20
    assert min((a ^ b).bit_count() for a, b in combinations(found, 2)) > 2 * THRESHOLD

    def recoded(picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR)

    assert (
        max((look(recoded(picture)) ^ bits).bit_count() for picture, bits in zip(pictures, found, strict=True))
        < THRESHOLD
    )
