"""JPEGs that lost, or exchanged, some of their middle; and pictures of all kinds that every reader must judge alike."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from egm_core.pictures.jpeg_damage import damage
from egm_core.pictures.pixels import read_checked, read_image
from egm_core.train.data.pictures import look_at

KINDS: dict[str, list[int]] = {
    "plain": [],
    "quality 50": [cv2.IMWRITE_JPEG_QUALITY, 50],
    "no shared colours": [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111],
    "own tables": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "restarts": [cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
}
FRAMES = sorted((Path(__file__).parents[3] / "egm_ros/clips").glob("*/*.jpg"))


def scene(number: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(cv2.imread(str(FRAMES[number % len(FRAMES)])), (640, 400)), np.uint8)


def jpeg(image: NDArray[np.uint8], options: list[int]) -> bytes:
    return bytes(cv2.imencode(".jpg", image, options)[1].tobytes())


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_were_lost_are_told(kind: str) -> None:
    rng = np.random.default_rng(1)
    told = []
    for number in range(8):
        data = jpeg(scene(number), KINDS[kind])
        at = int(rng.integers(len(data) // 3, 2 * len(data) // 3))
        told.append(bool(damage(data[:at] + data[at + 600 :])))
    # A scan of a progressive picture may end anywhere.
    assert sum(told) >= (5 if kind == "progressive" else 8), told


@pytest.mark.parametrize("kind", ["plain", "quality 50", "no shared colours", "own tables", "restarts"])
@pytest.mark.parametrize("filling", ["zeros", "noise"])
def test_data_that_were_exchanged_are_told(kind: str, filling: str) -> None:
    rng = np.random.default_rng(2)
    told = []
    for number in range(8):
        data = jpeg(scene(number), KINDS[kind])
        at = int(rng.integers(len(data) // 3, 2 * len(data) // 3))
        middle = bytes(600) if filling == "zeros" else bytes(rng.integers(0, 255, 600, np.uint8))
        told.append(bool(damage(data[:at] + middle + data[at + 600 :])))
    # One in so many ends where it should by luck.
    assert sum(told) >= 7, told


@pytest.mark.parametrize("kind", KINDS)
def test_whole_pictures_are_left_alone(kind: str) -> None:
    rng = np.random.default_rng(3)
    flat = [np.full((80, 112, 3), value, np.uint8) for value in (0, 64, 127, 128, 129, 255)]
    ramp = np.dstack([np.tile(np.arange(160, dtype=np.uint8), (97, 1))] * 3)
    noise = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((8, 8), (1, 1), (17, 33), (240, 320))]
    half = scene(0).copy()
    half[200:] = 128
    for image in [*flat, ramp, *noise, half, *map(scene, range(6))]:
        data = jpeg(image, KINDS[kind])
        for tail in (b"", bytes(500), b"\r\n--boundary", jpeg(flat[1], [])):
            assert damage(data + tail) == "", image.shape
        grey = jpeg(np.ascontiguousarray(image[..., 0]), KINDS[kind])
        assert damage(grey) == ""
        # Some cameras fill up to a whole number of words.
        assert damage(data[:-2] + bytes(8) + data[-2:]) == ""


def test_photographs_are_left_alone(photographs: Path) -> None:
    for file in sorted(photographs.glob("*/images/*.jpg"))[:40]:
        assert damage(file.read_bytes()) == "", file


def test_what_is_no_jpeg_is_not_looked_at() -> None:
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n", b"GIF89a", bytes(100)):
        assert damage(data) == ""


def test_a_reader_names_the_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "hole.jpg"
    data = jpeg(scene(0), [])
    file.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 600 :])
    with pytest.raises(ValueError, match=r"hole.jpg is damaged: .*copy it anew"):
        read_image(file)
    assert "damaged" in look_at(str(file)).reason
    assert read_checked(file).shape == (400, 640, 3)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_the_data_check_and_the_reader_refuse_the_same_cut_files(tmp_path: Path, kind: str, share: float) -> None:
    first, second = (Image.fromarray(cv2.resize(scene(n), (96, 64))) for n in (0, 9))
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": [second]} if kind == "GIF" else {}
    first.save(buffer, kind, **more)
    data = buffer.getvalue()
    file = tmp_path / f"whole.{kind.lower()}"
    file.write_bytes(data)
    assert (look_at(str(file)).reason, read_image(file).shape) == ("", (64, 96, 3))
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match="cut short"):
        read_image(file)
    assert look_at(str(file)).reason.startswith("corrupt")


def test_a_machine_without_the_library_says_once_what_it_does_not_notice() -> None:
    data = jpeg(scene(0), [])
    hole = data[: len(data) // 2] + data[len(data) // 2 + 600 :]
    code = (
        "import sys, logging; sys.modules['simplejpeg'] = None; logging.basicConfig()\n"
        "from egm_core.pictures.jpeg_damage import damage\n"
        "data = sys.stdin.buffer.read(); print([damage(data), damage(data)])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=hole, capture_output=True, check=True, timeout=60)
    assert done.stdout.split() == [b"['',", b"'']"]
    assert done.stderr.decode().count("pip install simplejpeg") == 1


def test_nothing_is_printed_beside_the_result(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "whole.jpg"
    file.write_bytes(jpeg(scene(0), []))
    read_image(file)
    assert capfd.readouterr() == ("", "")
