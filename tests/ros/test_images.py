"""Every encoding, padded and byte-swapped, against the picture it was made from; and what must be refused."""

from __future__ import annotations

import array
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="no ROS 2")

from std_msgs.msg import Header

from egm_ros import images
from egm_ros.images import ImageError

pytestmark = pytest.mark.ros

WIDTH, HEIGHT = 48, 32


def picture() -> np.ndarray:
    """A smooth picture, so that sharing colours between pixels loses little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.dstack([40 + 4 * x, 30 + 6 * y, 200 - 3 * x]).astype(np.uint8)


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


def mosaic(image: np.ndarray, pattern: str) -> np.ndarray:
    """Samples an RGB image through a Bayer filter, named by its first two rows."""
    out = np.empty(image.shape[:2], image.dtype)
    for index, letter in enumerate(pattern):
        row, column = divmod(index, 2)
        out[row::2, column::2] = image[row::2, column::2, "rgb".index(letter)]
    return out


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


def wide(image: np.ndarray) -> np.ndarray:
    return image.astype(np.uint16) * 257


RGB = picture()
GREY = np.dstack([RGB[..., 1]] * 3)
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


def test_all_supported_encodings_are_tested() -> None:
    assert set(EXACT) | set(NEAR) == set(images._COLOUR)


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
    program = "from egm_ros import images\nassert images._cv_bridge() is None\nprint('alive')"
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
    encoding=st.sampled_from([*images._COLOUR, "32FC1", "nv21"]),
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


def compressed(extension: str, image: np.ndarray = RGB) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


@pytest.mark.parametrize("declared", ["png", "bgr8; png compressed bgr8", "rgb8; png compressed bgr8", ""])
def test_a_png_is_the_very_picture(declared: str) -> None:
    decoded = images.decode(SimpleNamespace(format=declared, data=compressed(".png")))
    np.testing.assert_array_equal(decoded, RGB)


def test_a_png_with_swapped_colours_is_put_right() -> None:
    swapped = compressed(".png", RGB[..., ::-1])
    decoded = images.decode(SimpleNamespace(format="rgb8; png compressed rgb8", data=swapped))
    np.testing.assert_array_equal(decoded, RGB)


def test_a_jpeg_comes_close_and_may_have_padding() -> None:
    data = compressed(".jpg") + bytes(512)
    decoded = images.decode(SimpleNamespace(format="jpeg", data=array.array("B", data)))
    assert np.abs(decoded.astype(int) - RGB.astype(int)).mean() < 3


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_cut_file_is_refused(extension: str, kept: float) -> None:
    data = compressed(extension)
    with pytest.raises(ImageError, match="truncated"):
        images.decode(SimpleNamespace(format=extension[1:], data=data[: int(kept * len(data))]))


@pytest.mark.parametrize(
    ("declared", "data", "reason"),
    [
        ("jpeg", b"", "empty_image"),
        ("jpeg", b"no image at all", "undecodable"),
        ("16UC1; compressedDepth png", compressed(".png"), "not_colour"),
    ],
)
def test_compressed_nonsense_is_refused_by_name(declared: str, data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        images.decode(SimpleNamespace(format=declared, data=data))
    assert caught.value.reason == reason


def test_a_small_file_that_claims_to_be_gigantic_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "bomb.png"), np.zeros((9000, 9000), np.uint8))
    program = (
        "import sys; from types import SimpleNamespace; from egm_ros import images\n"
        "message = SimpleNamespace(format='png', data=open(sys.argv[1], 'rb').read())\n"
        "try: images.decode(message)\n"
        "except images.ImageError as error: print(error.reason)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "bomb.png")]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "undecodable"


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
