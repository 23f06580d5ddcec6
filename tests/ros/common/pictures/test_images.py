"""Every encoding, padded and byte-swapped, against the picture it was made from; and what must be refused."""

from __future__ import annotations

import array
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="no ROS 2")
from made_pictures import GREY, HEIGHT, RGB, WIDTH, mosaic, wide
from std_msgs.msg import Header

from egm_core.pictures.encodings import COLOUR, PACKED, PLANAR
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError

pytestmark = pytest.mark.ros


def raw(pixels: np.ndarray, encoding: str, padding: int = 0, bigendian: bool = False) -> SimpleNamespace:
    height, width = pixels.shape[:2]
    if pixels.dtype.itemsize > 1:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">" if bigendian else "<"))
    rows = pixels.reshape(height, -1).copy().view(np.uint8)
    rows = np.hstack([rows, np.full((height, padding), 170, np.uint8)])
    return SimpleNamespace(
        width=width,
        height=height,
        step=rows.shape[1],
        encoding=encoding,
        is_bigendian=int(bigendian),
        data=array.array("B", rows.tobytes()),
    )


def uyvy(image: np.ndarray) -> np.ndarray:
    """Samples an RGB image as U Y V Y, by ITU-R BT.601 in studio range."""
    r, g, b = (image[..., channel].astype(float) for channel in range(3))
    luma = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    blue = 128 - 0.148 * r - 0.291 * g + 0.439 * b
    red = 128 + 0.439 * r - 0.368 * g - 0.071 * b
    out = np.empty((*image.shape[:2], 2))
    out[..., 1] = luma
    out[:, 0::2, 0] = blue[:, 0::2]
    out[:, 1::2, 0] = red[:, 0::2]
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


def planes(image: np.ndarray, share: int, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples an RGB image as a plane of luma and one of colours, one pair to every share x share pixels."""
    pairs = uyvy(image)
    # U stands at even columns of the packed form, V at odd ones.
    blue, red = pairs[:, 0::2, 0].repeat(2, 1), pairs[:, 1::2, 0].repeat(2, 1)
    every = np.dstack([blue, red] if order == "uv" else [red, blue])
    return pairs[..., 1], every[::share, ::share]


def planar(image: np.ndarray, encoding: str, padding: int, step: int | None = None) -> SimpleNamespace:
    """A message of two planes whose rows of luma are padded, and those of colours by as much for each plane's row."""
    share, order = PLANES[encoding]
    luma, pairs = planes(image, share, order)
    height, width = luma.shape
    rows = pairs.reshape(len(pairs), -1)
    luma = np.hstack([luma, np.full((height, padding), 170, np.uint8)])
    rows = np.hstack([rows, np.full((len(rows), 2 * padding // share), 170, np.uint8)])
    data = array.array("B", luma.tobytes() + rows.tobytes())
    return SimpleNamespace(
        width=width,
        height=height,
        step=width + padding if step is None else step,
        encoding=encoding,
        is_bigendian=0,
        data=data,
    )


PLANES = {"nv12": (2, "uv"), "nv21": (2, "vu"), "nv24": (1, "uv")}
OPAQUE = np.full((HEIGHT, WIDTH, 1), 9, np.uint8)
EXACT = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "rgba8": (np.dstack([RGB, OPAQUE]), RGB),
    "bgra8": (np.dstack([RGB[..., ::-1], OPAQUE]), RGB),
    "mono8": (GREY[..., 0], GREY),
    "8UC1": (GREY[..., 0], GREY),
    "rgb16": (wide(RGB), RGB),
    "bgr16": (wide(RGB)[..., ::-1], RGB),
    "rgba16": (np.dstack([wide(RGB), wide(OPAQUE)]), RGB),
    "bgra16": (np.dstack([wide(RGB)[..., ::-1], wide(OPAQUE)]), RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "8UC4": (np.dstack([RGB[..., ::-1], OPAQUE]), RGB),
    "16UC3": (wide(RGB)[..., ::-1], RGB),
    "16UC4": (np.dstack([wide(RGB)[..., ::-1], wide(OPAQUE)]), RGB),
    "mono16": (wide(GREY[..., 0]), GREY),
}
NEAR = {
    "yuv422": uyvy(RGB),
    "uyvy": uyvy(RGB),
    "yuv422_yuy2": uyvy(RGB)[..., ::-1],
    "yuyv": uyvy(RGB)[..., ::-1],
    **{f"bayer_{pattern}8": mosaic(RGB, pattern) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": mosaic(wide(RGB), pattern) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
}


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", EXACT)
def test_plain_encodings_give_the_very_picture(encoding: str, padding: int, bigendian: bool) -> None:
    pixels, expected = EXACT[encoding]
    decoded = images.decode(raw(pixels, encoding, padding, bigendian))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", NEAR)
def test_subsampled_encodings_come_close(encoding: str, padding: int, bigendian: bool) -> None:
    decoded = images.decode(raw(NEAR[encoding], encoding, padding, bigendian))
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(decoded[inner].astype(int) - RGB[inner].astype(int)).max() <= 6


@pytest.mark.parametrize("step", [None, WIDTH, 2 * WIDTH, WIDTH * 3 // 2, 0])
@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", PLANES)
def test_encodings_of_two_planes_come_close_whatever_the_driver_calls_a_step(
    encoding: str, padding: int, step: int | None
) -> None:
    decoded = images.decode(planar(RGB, encoding, padding, step))
    inner = (slice(2, -2), slice(2, -2))
    assert decoded.shape == RGB.shape
    assert np.abs(decoded[inner].astype(int) - RGB[inner].astype(int)).max() <= 9


@pytest.mark.parametrize("encoding", PLANES)
def test_two_planes_that_do_not_fit_are_refused_by_name(encoding: str) -> None:
    def reason(**changed: Any) -> str:
        with pytest.raises(ImageError) as caught:
            images.decode(SimpleNamespace(**(vars(planar(RGB, encoding, 0)) | changed)))
        return caught.value.reason

    whole = planar(RGB, encoding, 0).data
    assert reason(data=whole[: len(whole) // 2]) == "truncated"
    assert reason(data=whole + array.array("B", [1])) == "size_mismatch"
    assert reason(height=0) == "empty_image"
    if PLANES[encoding][0] == 2:
        assert reason(width=WIDTH - 1) == "odd_size"


@pytest.mark.parametrize(("encoding", "likely"), [("8UC3", "bgr8"), ("8UC4", "bgra8"), ("16UC3", "bgr16")])
def test_an_order_of_colours_that_is_guessed_is_said(encoding: str, likely: str) -> None:
    said = images.guess(raw(EXACT[encoding][0], encoding))
    assert encoding in said and f"taken as {likely}" in said
    assert images.guess(raw(RGB, "bgr8")) == ""
    assert images.guess(SimpleNamespace(format="jpeg", data=b"")) == ""


def test_all_supported_encodings_are_tested() -> None:
    assert set(EXACT) | set(NEAR) == set(PACKED)
    assert set(PLANES) == set(PLANAR)


def test_16_bit_values_are_rounded_as_cv_bridge_rounds_them() -> None:
    values = np.array([[0, 128, 129, 385, 386, 32767, 65406, 65407, 65535]], np.uint16)
    decoded = images.decode(raw(values, "mono16"))
    np.testing.assert_array_equal(decoded[0, :, 0], [0, 0, 1, 1, 2, 127, 254, 255, 255])


def test_cv_bridge_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv_bridge", reason="no cv_bridge here: it comes with a ROS installation")
    from sensor_msgs.msg import Image

    pictures = {name: pixels for name, (pixels, _) in EXACT.items()} | NEAR
    messages = [Image(header=Header(), **vars(raw(pixels, name, 4))) for name, pixels in pictures.items()]
    bridged = [images.decode(message) for message in messages]
    monkeypatch.setattr(images, "_cv_bridge", lambda: None)
    for message, expected in zip(messages, bridged, strict=True):
        np.testing.assert_array_equal(images.decode(message), expected, err_msg=message.encoding)


def test_a_cv_bridge_that_crashes_is_not_used(tmp_path: Any) -> None:
    (tmp_path / "cv_bridge.py").write_text("import os\nos.abort()\n")
    program = "from egm_ros.common.pictures import images\nassert images._cv_bridge() is None\nprint('alive')"
    paths = os.pathsep.join([str(tmp_path), os.getcwd(), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "alive", result.stderr


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize(("encoding", "unit"), [("16UC1", 0.001), ("mono16", 0.001), ("32FC1", 1.0)])
def test_depth_is_metres_and_the_unmeasured_is_nan(encoding: str, unit: float, bigendian: bool) -> None:
    dtype = np.float32 if encoding == "32FC1" else np.uint16
    depth = images.decode_depth(raw(np.array([[0, 1500], [250, 7]], dtype), encoding, 2, bigendian))
    np.testing.assert_allclose(depth, np.array([[np.nan, 1500], [250, 7]]) * unit, rtol=1e-6)


def test_infinite_depth_is_unmeasured() -> None:
    depth = images.decode_depth(raw(np.array([[np.inf, -1.0, np.nan, 2.0]], np.float32), "32FC1"))
    np.testing.assert_array_equal(depth, [[np.nan, np.nan, np.nan, 2.0]])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"width": 0}, "empty_image"),
        ({"height": 0}, "empty_image"),
        ({"step": 10}, "bad_step"),
        ({"width": 4000}, "bad_step"),
        ({"data": array.array("B", bytes(100))}, "truncated"),
        ({"height": 2**31}, "truncated"),
        ({"data": array.array("B", bytes(100_000))}, "size_mismatch"),
        ({"encoding": "rgb9"}, "unsupported_encoding"),
        ({"encoding": ""}, "unsupported_encoding"),
        ({"encoding": "32FC1"}, "not_colour"),
    ],
)
def test_nonsense_is_refused_by_name(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        images.decode(SimpleNamespace(**(vars(raw(RGB, "rgb8")) | fields)))
    assert caught.value.reason == reason


def test_half_a_colour_pair_is_refused() -> None:
    with pytest.raises(ImageError, match="odd_size"):
        images.decode(raw(uyvy(RGB)[:, :-1], "yuv422"))
    with pytest.raises(ImageError, match="odd_size"):
        images.decode(raw(GREY[:1, :, 0], "bayer_rggb8"))


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(0, 70),
    height=st.integers(0, 40),
    step=st.integers(0, 300),
    size=st.integers(0, 9000),
    encoding=st.sampled_from([*COLOUR, "32FC1"]),
    bigendian=st.booleans(),
)
def test_any_header_gives_the_image_or_an_image_error(
    width: int, height: int, step: int, size: int, encoding: str, bigendian: bool
) -> None:
    message = SimpleNamespace(
        width=width, height=height, step=step, encoding=encoding, is_bigendian=bigendian, data=bytes(size)
    )
    try:
        assert images.decode(message).shape == (height, width, 3)
    except ImageError as error:
        assert error.reason


@pytest.mark.parametrize(("encoding", "whole"), [("nv12", 4608), ("nv21", 4608), ("nv24", 9216)])
@pytest.mark.parametrize("came", [-100, 1])
def test_two_planes_of_a_wrong_size_are_told_with_both_sizes_and_the_remedy(
    encoding: str, whole: int, came: int
) -> None:
    message = SimpleNamespace(
        encoding=encoding, width=64, height=48, step=64, is_bigendian=0, data=array.array("B", bytes(whole + came))
    )
    with pytest.raises(ImageError, match=rf"{encoding} of 64x48 takes {whole} bytes.* {whole + came} came; have the d"):
        images.decode(message)


@pytest.mark.parametrize("kind", [{"encoding": "rgb8", "step": 30}, {"encoding": "rgb8", "step": 192}])
def test_a_raw_image_of_a_wrong_size_names_the_remedy(kind: dict[str, object]) -> None:
    message = SimpleNamespace(width=64, height=48, is_bigendian=0, data=array.array("B", bytes(99)), **kind)
    with pytest.raises(ImageError, match="have the driver fill width, height and step"):
        images.decode(message)


def test_what_is_encoded_decodes_again() -> None:
    header = Header(frame_id="camera")
    message = images.encode(RGB, header)
    assert message.header is header
    np.testing.assert_array_equal(images.decode(message), RGB)
    near = images.decode(images.encode_compressed(RGB, header, quality=95))
    assert np.abs(near.astype(int) - RGB.astype(int)).mean() < 3
    depth = np.array([[0.5, 2.0]], np.float32)
    np.testing.assert_array_equal(images.decode_depth(images.encode_depth(depth, header)), depth)


def test_a_decoded_image_does_not_share_the_messages_memory() -> None:
    message = images.encode(RGB, Header())
    decoded = images.decode(message)
    message.data[0] = 255 - message.data[0]
    np.testing.assert_array_equal(decoded, RGB)
