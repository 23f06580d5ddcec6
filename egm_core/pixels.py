"""Shrinks a picture to a model's pixel budget, so that every engine sees the same pixels.

The rule is that of Qwen's image processors: both sides become multiples of a patch group's side, and their
product stays within the budget. Boxes are relative to the picture, so shrinking does not change them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

FACTOR = 32


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
