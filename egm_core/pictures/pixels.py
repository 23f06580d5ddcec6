"""Reads pictures and shrinks them to a model's pixel budget, so that every engine sees the same pixels.

Training, selection and the command line all read a file by `read_image`. The rule of shrinking is that of Qwen's image
processors: both sides become multiples of a patch group's side, and their product stays within the budget. Boxes are
relative to the picture, so shrinking does not change them.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.pictures.file import cut_short
from egm_core.pictures.jpeg_damage import damage

FACTOR = 32


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture file as (H, W, 3) RGB, as it is shown; FileNotFoundError or ValueError says what is wrong.

    The EXIF mark turns it, grey becomes three channels, and of 16 bits a channel the upper 8 are kept. A JPEG is
    decoded twice, to find damage in its middle.
    """
    return decode(_bytes(path), str(path))


def read_checked(path: Path) -> NDArray[np.uint8]:
    """Read a picture file that a data check has found whole, as `read_image` does and in half of its time."""
    return decode(_bytes(path), str(path), trusted=True)


def decode(data: bytes, name: str, trusted: bool = False) -> NDArray[np.uint8]:
    """Decode a picture file's bytes as `read_image` does; `trusted` leaves out the search for damage.

    ValueError says what is wrong with the picture of that name.
    """
    if cut_short(data):
        raise ValueError(f"{name} is cut short: its bytes end before its picture does; copy it anew")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise ValueError(f"{name} cannot be decoded ({error.err}); give a smaller PNG or JPEG") from error
    if image is None:
        raise ValueError(f"{name} is not a picture that OpenCV can read, or is cut short; give a whole PNG or JPEG")
    harm = "" if trusted else damage(data)
    if harm:
        raise ValueError(f"{name} is damaged: {harm}; copy it anew")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
        raise FileNotFoundError(f"{path} {what}; name a picture file")
    return path.read_bytes()


def smart_size(width: int, height: int, max_pixels: int, factor: int = FACTOR) -> tuple[int, int]:
    """Give the (width, height) that a picture is shrunk to: multiples of `factor`, at most `max_pixels` together.

    A side never falls below one factor, whatever the budget.
    """
    if width < 1 or height < 1 or max_pixels < 1:
        raise ValueError(f"a picture of {width} x {height} cannot be fitted into {max_pixels} pixels")
    wide, high = round(width / factor) * factor, round(height / factor) * factor
    if wide * high > max_pixels or not wide or not high:
        shrink = max(1.0, math.sqrt(width * height / max_pixels))
        wide = math.floor(width / shrink / factor) * factor
        high = math.floor(height / shrink / factor) * factor
    return max(factor, wide), max(factor, high)


def fit(image: NDArray[np.uint8], max_pixels: int | None, factor: int = FACTOR) -> NDArray[np.uint8]:
    """Shrink a picture (H, W, 3) that exceeds a pixel budget; any other is given back as it is."""
    height, width = image.shape[:2]
    if max_pixels is None or width * height <= max_pixels:
        return image
    size = smart_size(width, height, max_pixels, factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
