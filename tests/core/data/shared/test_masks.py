"""Masks: run lengths are held against the library's own, and broken ones are refused before it sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as library

from egm_core.data.readers.kind import DataError, Place
from egm_core.data.readers.shared import masks

HERE = Place("x.json", "region 1")


def encoded(pixels: Any) -> dict[str, Any]:
    found = library.encode(np.asfortranarray(pixels, np.uint8))
    return {"size": found["size"], "counts": found["counts"].decode()}


@given(st.integers(1, 40), st.integers(1, 90), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_run_lengths_of_any_mask_are_taken(height: int, width: int, seed: int, share: float) -> None:
    pixels = np.random.default_rng(seed).random((height, width)) < share
    mask = masks.run_lengths(encoded(pixels), "mask", HERE)
    assert masks.pixels(mask) == pixels.sum()
    rows, columns = np.nonzero(pixels)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if rows.size else None
    assert masks.box_of(mask) == box


def test_large_masks_are_taken() -> None:
    pixels = np.zeros((3000, 5000), bool)
    pixels[5:2900, 7:4900:3] = True
    assert masks.pixels(masks.run_lengths(encoded(pixels), "mask", HERE)) == pixels.sum()


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.integers(1, 9), st.integers(1, 9))
def test_no_text_gets_to_the_library_that_is_not_a_mask(counts: str, height: int, width: int) -> None:
    try:
        mask = masks.run_lengths({"size": [height, width], "counts": counts}, "mask", HERE)
    except DataError as error:
        assert str(error).startswith("x.json: region 1: mask.counts is")
    else:
        assert library.decode(mask).shape == (height, width)


@given(st.binary(min_size=1, max_size=60).map(lambda data: "".join(chr(48 + b % 64) for b in data)))
def test_no_packed_text_gets_to_the_library_that_is_not_a_mask(counts: str) -> None:
    test_no_text_gets_to_the_library_that_is_not_a_mask.hypothesis.inner_test(counts, 5, 7)


def test_lists_of_run_lengths_are_taken() -> None:
    mask = masks.run_lengths({"size": [2, 3], "counts": [2, 2, 2]}, "mask", HERE)
    assert (masks.box_of(mask), masks.pixels(mask)) == ((1, 0, 2, 2), 2)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"counts": "0"},
        {"size": [0, 3], "counts": "0"},
        {"size": [2], "counts": "0"},
        {"size": ["2", 3], "counts": "0"},
        {"size": [2, 3], "counts": [7]},
        {"size": [2, 3], "counts": [-1, 7]},
        {"size": [2, 3], "counts": b"6"},
        {"size": [2, 3], "counts": ""},
        {"size": [3, 5], "counts": "\x80"},
        {"size": [2, 3], "counts": "\ud800"},
    ],
)
def test_what_is_no_mask_is_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match=r"^x\.json: region 1: mask"):
        masks.run_lengths(wrong, "mask", HERE)


def test_outlines() -> None:
    flat, parts = [0, 0, 4, 0, 4, 3, 0, 3], [[0, 0, 4, 0, 4, 3, 0, 3], [6, 1, 8, 1, 8, 2]]
    one, two = (masks.polygons(found, "outline", HERE) for found in (flat, parts))
    assert (masks.outline_box(one), masks.outline_area(one)) == ((0, 0, 4, 3), 12)
    assert (masks.outline_box(two), masks.outline_area(two)) == ((0, 0, 8, 3), 13)
    assert masks.pixels(masks.filled(one, 10, 10)) == 12
    assert masks.pixels(masks.filled(masks.polygons([1, 1, 2, 2], "outline", HERE), 10, 10)) == 0
    assert masks.outline_box(masks.polygons([], "outline", HERE)) == (0, 0, 0, 0)


def test_masks_meet_where_they_share_a_pixel() -> None:
    pixels = np.zeros((3, 5, 6), bool)
    pixels[0, :3, :3], pixels[1, 2:, 2:], pixels[2, 3:, 3:] = True, True, True
    one, two, three = (masks.run_lengths(encoded(one), "mask", HERE) for one in pixels)
    assert masks.meet(one, two) and masks.meet(two, three) and not masks.meet(one, three)
