"""Compressed depth: PNG and RVL of image_transport's `compressedDepth`, in millimetres and in metres."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rvl_encoder import encode

from egm_core.pictures import rvl
from egm_core.pictures.depth import decode_depth, depth_samples
from egm_core.pictures.messages import ImageError

MILLIMETRES = np.array([[0, 1500, 1501], [250, 65535, 7]], np.uint16)
# Of compressed_depth_image_transport's own encoder (7404d772), for these values.
THEIRS = [0, 0, 1000, 1001, 999, 0, 65535, 1, 0, 0, 0, 7]
CODE = bytes.fromhex("23f38a23f38c8e1231f3ffbf000000c1")


def compressed(samples: np.ndarray, way: str, encoding: str = "16UC1", scale: float = 0.0, shift: float = 0.0) -> Any:
    """Make a message as compressed_depth_image_transport does."""
    if way == "rvl":
        picture = struct.pack("<II", samples.shape[1], samples.shape[0]) + encode(samples.ravel())
    else:
        picture = cv2.imencode(".png", samples)[1].tobytes()
    named = f"{encoding}; compressedDepth {way}".rstrip()
    return SimpleNamespace(format=named, data=struct.pack("<iff", 0, scale, shift) + picture)


def test_what_the_drivers_own_encoder_made_is_read() -> None:
    assert rvl.decode(CODE, len(THEIRS)).tolist() == THEIRS
    assert encode(THEIRS) == CODE


@given(st.lists(st.one_of(st.just(0), st.integers(0, 65535)), max_size=300))
def test_every_code_gives_back_its_values(values: list[int]) -> None:
    assert rvl.decode(encode(values), len(values)).tolist() == values


@given(st.binary(max_size=200), st.integers(0, 500))
def test_any_bytes_are_a_code_or_refused(data: bytes, count: int) -> None:
    try:
        assert rvl.decode(data, count).shape == (count,)
    except ValueError as error:
        assert str(count) in str(error) or "nibbles" in str(error)


@pytest.mark.parametrize("way", ["png", "rvl", ""])
def test_millimetres(way: str) -> None:
    depth = decode_depth(compressed(MILLIMETRES, way))
    np.testing.assert_allclose(depth, [[np.nan, 1.5, 1.501], [0.25, 65.535, 0.007]], rtol=1e-6)


@pytest.mark.parametrize("way", ["png", "rvl"])
def test_metres_are_kept_as_their_inverse(way: str) -> None:
    metres = np.array([[0.5, 2.0, 9.9], [np.nan, 4.0, 1.0]], np.float32)
    quantum, farthest = 100.0, 10.0
    scale = quantum * (quantum + 1.0)
    shift = 1.0 - scale / farthest
    steps = np.where(np.isnan(metres), 0, scale / np.nan_to_num(metres, nan=1.0) + shift).astype(np.uint16)
    depth = decode_depth(compressed(steps, way, "32FC1", scale, shift))
    np.testing.assert_allclose(depth, metres, rtol=0.002)
    assert depth_samples(compressed(steps, way, "32FC1", scale, shift)).dtype == np.float32


def test_a_plain_png_of_depth_is_millimetres_too() -> None:
    message = SimpleNamespace(format="16UC1; png compressed ", data=cv2.imencode(".png", MILLIMETRES)[1].tobytes())
    np.testing.assert_array_equal(depth_samples(message), MILLIMETRES)


def wrong() -> dict[str, tuple[Any, str]]:
    good = {way: compressed(MILLIMETRES, way) for way in ("png", "rvl")}

    def cut(way: str, end: int) -> Any:
        return SimpleNamespace(format=good[way].format, data=good[way].data[:end])

    colour = SimpleNamespace(format="rgb8; jpeg compressed bgr8", data=b"\xff\xd8\xff")
    bytes_only = compressed(MILLIMETRES.astype(np.uint8), "png")
    huge = SimpleNamespace(format=good["rvl"].format, data=b"\0" * 12 + struct.pack("<II", 60000, 60000) + b"\0" * 8)
    empty = SimpleNamespace(format=good["rvl"].format, data=b"\0" * 20)
    return {
        "cut_png": (cut("png", -8), "truncated"),
        "no_picture": (cut("png", 12), "truncated"),
        "no_png": (SimpleNamespace(format=good["png"].format, data=b"\0" * 40), "undecodable"),
        "cut_rvl": (cut("rvl", -8), "undecodable"),
        "no_size": (cut("rvl", 16), "truncated"),
        "huge": (huge, "size_mismatch"),
        "no_pixels": (empty, "empty_image"),
        "eight_bits": (bytes_only, "unsupported_encoding"),
        "colour": (colour, "unsupported_encoding"),
        "metres_without_settings": (compressed(MILLIMETRES, "png", "32FC1"), "unsupported_encoding"),
    }


@pytest.mark.parametrize("name", wrong())
def test_what_holds_no_depth_is_refused_by_a_word(name: str) -> None:
    message, reason = wrong()[name]
    with pytest.raises(ImageError) as refused:
        decode_depth(message)
    assert refused.value.reason == reason
