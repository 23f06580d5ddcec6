"""What a teacher is shown: the frame's colour, the copy that has it, and the key of a question."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from egm_core.curate.money.tokens import size_of, tokens_of
from egm_core.curate.pictures import COLOURS, asked, frame_colour, framed, read
from egm_core.curate.prompts import load
from egm_core.engines.base import Sampling

SIZE = (80, 60)


def picture(path: Path, value: int = 120) -> str:
    cv2.imwrite(str(path), np.full((60, 80, 3), value, np.uint8))
    return str(path)


def test_the_colour_is_not_among_the_words() -> None:
    first, second, third = list(COLOURS)[:3]
    assert frame_colour(["the mug"]) == first
    assert frame_colour(["the mug", f"the {first} plate"]) == second
    assert frame_colour(["the mug"], apart_from=[first, second]) == third
    # What a magenta line may be called counts, too.
    assert frame_colour(["the pink mug"]) == second
    everything = " ".join(COLOURS)
    assert frame_colour([f"the {first} mug", everything]) != first


def test_the_frame_is_drawn_on_a_copy_only(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    plain, copy = read(path), read(framed(path, (20, 10, 60, 50), "magenta", SIZE))
    changed = (plain != copy).any(axis=2)
    assert changed.any() and not changed[20:40, 30:50].any() and not changed[:4].any()
    assert (read(path) == plain).all()


def test_a_key_changes_with_whatever_changes_the_answer(tmp_path: Path) -> None:
    one, same, other = picture(tmp_path / "a.png"), picture(tmp_path / "b.png"), picture(tmp_path / "c.png", 7)
    prompt, box = load("reason_visible"), (20.0, 10.0, 60.0, 50.0)

    def key(path: str = one, text: str = "?", colour: str = "green", temperature: float = 0.7, model: str = "m") -> str:
        sampling = Sampling(temperature=temperature)
        return asked(prompt, text, [path, framed(path, box, colour, SIZE)], sampling, model).key

    keys = {key(), key(other), key(text="!"), key(colour="red"), key(temperature=0.0), key(model="n")}
    assert len(keys) == 6 and key(same) == key()


def test_the_plain_picture_comes_first_and_the_answer_has_a_form(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    job = asked(load("reason_visible"), "text", [path, framed(path, (1, 2, 9, 9), "red", SIZE)], Sampling(), "m")
    (message,) = job.messages
    assert [part["type"] for part in message["content"]] == ["picture", "picture", "text"]
    assert message["content"][0]["picture"] == path and job.schema == load("reason_visible").schema


def test_a_frame_of_another_size_is_refused_and_changes_no_key(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    copies = [framed(path, (1, 2, 9, 9), "red", size) for size in (SIZE, (160, 120))]
    jobs = [asked(load("reason_visible"), "text", [path, copy], Sampling(), "m") for copy in copies]
    # Ledgers of before know this key.
    assert jobs[0].key == jobs[1].key
    assert read(copies[0]).shape == (60, 80, 3) and tokens_of(jobs[0], "m").pictures
    with pytest.raises(ValueError, match="80 x 60 pixels, and its sample says 160 x 120"):
        read(copies[1])
    with pytest.raises(ValueError, match="80 x 60 pixels, and its sample says 160 x 120"):
        tokens_of(jobs[1], "m")


def test_a_picture_that_a_cameras_mark_turns_has_the_size_that_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    turned = Image.Exif()
    turned[274] = 6
    Image.new("RGB", SIZE).save(path, exif=turned)
    assert read(str(path)).shape == (80, 60, 3) and size_of(str(path)) == (60, 80)
