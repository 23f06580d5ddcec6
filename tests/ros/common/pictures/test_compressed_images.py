"""Compressed pictures: JPEG and PNG, whole, cut and with bytes behind them, and what they declare."""

from __future__ import annotations

import array
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="no ROS 2")
from made_pictures import GREY, RGB, WIDTH, mosaic, wide
from std_msgs.msg import Header

from egm_core.propagation.small_frames import small_frame
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError

pytestmark = pytest.mark.ros


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
