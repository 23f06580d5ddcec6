"""Contact sheets: boxes, what leaves the picture, what cannot be read, and the draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from record_files import picture

from egm_core.command.data import main
from egm_core.data.questions import write_questions
from egm_core.data.readers.robots.question import Question
from egm_core.data.show import GREY, Shown, chosen, of_sample, sheet
from egm_core.pictures.draw import AMODAL, VISIBLE
from egm_core.sample import Sample, write_samples


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A sample whose amodal box leaves the picture on the left."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 80, 3), 255, np.uint8))
    return Sample(
        str(tmp_path / "a.png"),
        "the red mug",
        (0, 10, 30, 50),
        (-30, 10, 30, 50),
        0.5,
        60,
        80,
        source="RefCOCO",
        split="val",
        occluders=("the box",),
    )


def _has(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere(np.abs(image.astype(int) - color).max(axis=2) < 20)


def test_both_boxes_show_and_grey_is_added_where_one_leaves(sample: Sample) -> None:
    tile, unread = sheet([of_sample("s.jsonl:1", sample)], 1, 440)
    # The picture is 80 wide, and 34 are added at its left.
    amodal, visible = _has(tile, AMODAL), _has(tile, VISIBLE)
    assert not unread and amodal[:, 1].min() < 40 and visible[:, 1].min() > 110
    assert (np.abs(tile[200, 60].astype(int) - GREY) < 3).all()


def test_a_tile_says_what_is_asked_and_known(sample: Sample) -> None:
    shown = of_sample("f:1", sample)
    assert (shown.words, shown.origin) == ("the red mug", "50% visible | RefCOCO val | behind the box")
    absent = dataclasses.replace(sample, bbox=None, amodal_bbox=None, visible_fraction=None, mirrored=True)
    # What must not be cut stands first, for a line ends where the tile does.
    assert of_sample("f:1", absent).origin.startswith("ABSENT | mirrored")
    hidden = dataclasses.replace(sample, bbox=None, visible_fraction=0.0)
    assert of_sample("f:1", hidden).origin.startswith("HIDDEN")


def test_a_size_that_is_not_the_picture_s_shows(sample: Sample) -> None:
    right, _ = sheet([of_sample("f:1", sample)], 1, 440)
    wrong, _ = sheet([of_sample("f:1", dataclasses.replace(sample, width=81))], 1, 440)
    assert right.shape == wrong.shape and (right != wrong).any()


def test_the_draw_is_by_seed_and_in_the_file_s_order(sample: Sample, tmp_path: Path) -> None:
    write_samples(tmp_path / "s.jsonl", [dataclasses.replace(sample, sent=f"mug {n}") for n in range(50)])
    draws = [[int(s.place.rpartition(":")[2]) for s in chosen(tmp_path / "s.jsonl", 8, seed)[0]] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2] and all(draw == sorted(draw) and len(draw) == 8 for draw in draws)
    assert chosen(tmp_path / "s.jsonl", 99, 0)[1] == 50


def test_the_command_draws_samples_and_questions(sample: Sample, tmp_path: Path, capsys: Any) -> None:
    gone = dataclasses.replace(sample, image=str(tmp_path / "gone.png"))
    write_samples(tmp_path / "s.jsonl", [sample, gone])
    out = tmp_path / "sheet.png"
    assert main(["show", str(tmp_path / "s.jsonl"), "--out", str(out), "--columns", "2", "--tile", "200"]) == 0
    said = capsys.readouterr()
    assert "2 of 2 samples" in said.out and "gone.png is not there" in said.err
    assert "1 of 2 pictures cannot be read" in said.err
    assert cv2.imread(str(out)).shape[1] == 2 * 200 + 3 * 6
    question = Question(str(picture(tmp_path / "b.png")), "the mug", 64, 48, "bag", "drive", 3)
    write_questions(tmp_path / "q.jsonl", [question])
    (shown,), _ = chosen(tmp_path / "q.jsonl", 4, 0)
    assert shown == Shown("q.jsonl:1", str(tmp_path / "b.png"), "the mug", "NO BOX KNOWN | bag drive frame 3")
    assert main(["show", str(tmp_path / "q.jsonl"), "--out", str(out), "--overwrite"]) == 0


def test_a_photograph_is_no_place_for_the_sheet(sample: Sample, tmp_path: Path, capsys: Any) -> None:
    write_samples(tmp_path / "s.jsonl", [sample])
    before = Path(sample.image).read_bytes()
    assert main(["show", str(tmp_path / "s.jsonl"), "--out", sample.image]) == 2
    assert "a.png is there already; give another name, or --overwrite" in capsys.readouterr().err
    assert Path(sample.image).read_bytes() == before


def test_wrong_calls_are_named(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "e.jsonl").write_text("")
    assert main(["show", str(tmp_path / "e.jsonl"), "--out", str(tmp_path / "s.txt")]) == 2
    assert "give a name that ends in .png" in capsys.readouterr().err
    assert main(["show", str(tmp_path / "e.jsonl"), "--out", str(tmp_path / "s.png")]) == 2
    assert "there is no sample to show" in capsys.readouterr().err
