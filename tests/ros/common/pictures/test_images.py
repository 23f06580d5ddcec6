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

from egm_core.pictures.encodings import COLOUR, PACKED, PLANAR
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError
from egm_ros.propagation.small_frames import small_frame

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


TAILS = {
    "line break": b"\r\n",
    "boundary": b"\r\n--boundarydonotcross\r\nContent-Type: image/jpeg\r\n",
    "fill": b"\xff" * 7,
    "zeros": bytes(9000),
    "half a marker": b"\xff",
    "another picture": compressed(".jpg", RGB[:8]),
    "text with markers": b"SEFH\xff\xd8\xff\xd9SEFT",
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_bytes_after_the_pictures_end_are_no_part_of_it(kind: str, tail: str) -> None:
    large = cv2.resize(RGB, (640, 480))
    message = SimpleNamespace(format=kind[1:], data=array.array("B", compressed(kind, large)))
    longer = SimpleNamespace(format=kind[1:], data=message.data + array.array("B", TAILS[tail]))
    np.testing.assert_array_equal(images.decode(longer), images.decode(message))
    for each in (message, longer):
        each.header = Header()
    np.testing.assert_array_equal(small_frame(longer, 64).grey, small_frame(message, 64).grey)


@settings(max_examples=60, deadline=None)
@given(
    kept=st.floats(0.02, 0.999),
    tail=st.sampled_from([b"", *TAILS.values()]),
    kind=st.sampled_from(["baseline", "progressive", "restarts", ".png"]),
)
def test_a_picture_cut_anywhere_is_refused_whatever_follows(kept: float, tail: bytes, kind: str) -> None:
    options = {
        "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        "restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    }.get(kind, [])
    noisy = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    data = cv2.imencode(kind if kind[0] == "." else ".jpg", noisy, options)[1].tobytes()
    images.decode(SimpleNamespace(format="", data=data + tail))
    # Nobody can tell a picture whose own tables were lost from one with the tables of what follows.
    tail = tail if b"\xff\xd9" not in tail or (b"\xff\xd8" in tail and kept > 0.5) else b""
    with pytest.raises(ImageError):
        images.decode(SimpleNamespace(format="", data=data[: int(kept * len(data))] + tail))


def test_a_jpeg_with_a_hole_is_refused_but_where_only_shown() -> None:
    data = compressed(".jpg", cv2.resize(RGB, (640, 480)))
    middle = len(data) // 2
    message = SimpleNamespace(format="jpeg", data=data[:middle] + data[middle + 400 :])
    with pytest.raises(ImageError, match=r"damaged: .*lost some of its middle: corrupt JPEG data"):
        images.decode(message)
    assert images.decode(message, quick=True).shape == (480, 640, 3)


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


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_a_compressed_mosaic_gives_its_colours(kind: str, pattern: str, bits: int) -> None:
    samples = mosaic(wide(RGB) if bits == 16 and kind == ".png" else RGB, pattern)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 100] if kind == ".jpg" else []
    data = cv2.imencode(kind, samples, quality)[1].tobytes()
    word = "png" if kind == ".png" else "jpeg"
    message = SimpleNamespace(format=f"bayer_{pattern}{bits}; {word} compressed ", data=data, header=Header())
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(images.decode(message)[inner].astype(int) - RGB[inner].astype(int)).mean() <= 4
    # The small frame's width is a quarter of the picture's, where a JPEG would be decoded at less than its size.
    grey = small_frame(message, WIDTH // 4).grey.mean()
    assert grey == pytest.approx(cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY).mean(), abs=4)


def test_a_mosaic_that_was_put_together_before_compression_stays_as_it_is() -> None:
    message = SimpleNamespace(format="bayer_rggb8; jpeg compressed bgr8", data=compressed(".jpg"))
    assert np.abs(images.decode(message).astype(int) - RGB.astype(int)).mean() < 3


def test_a_small_frame_of_a_picture_with_swapped_colours_is_put_right() -> None:
    large = cv2.resize(RGB, (640, 480))
    right = SimpleNamespace(format="rgb8; jpeg compressed bgr8", data=compressed(".jpg", large), header=Header())
    swapped = compressed(".jpg", large[..., ::-1])
    wrong = SimpleNamespace(format="rgb8; jpeg compressed rgb8", data=swapped, header=Header())
    assert np.abs(small_frame(right, 64).grey.astype(int) - small_frame(wrong, 64).grey).mean() < 2


def deep(kind: str = ".png") -> bytes:
    return cv2.imencode(kind, np.full((48, 64), 1500, np.uint16))[1].tobytes()


def test_deep_grey_that_is_declared_as_grey_is_a_picture() -> None:
    data = cv2.imencode(".png", wide(GREY[..., 0]))[1].tobytes()
    decoded = images.decode(SimpleNamespace(format="mono16; png compressed ", data=data))
    assert np.abs(decoded.astype(int) - GREY.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("declared", "data", "reason"),
    [
        ("16UC1; png compressed ", deep(), "not_colour"),
        ("32FC1; tiff compressed ", deep(".tiff"), "not_colour"),
        ("16UC1; jpeg compressed ", compressed(".jpg"), "not_colour"),
        ("png", deep(), "not_colour"),
        ("", deep(), "not_colour"),
        ("tiff", deep(".tiff"), "not_colour"),
        ("h264", b"\0\0\0\1gB", "undecodable"),
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
        "import sys; from types import SimpleNamespace; from egm_ros.common.pictures import images\n"
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
