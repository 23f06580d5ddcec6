"""A picture, and messages that hold it in other encodings."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 48, 32


def picture() -> np.ndarray:
    """A smooth picture, so that sharing colours between pixels loses little."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.dstack([40 + 4 * x, 30 + 6 * y, 200 - 3 * x]).astype(np.uint8)


def mosaic(image: np.ndarray, pattern: str) -> np.ndarray:
    """Samples an RGB image through a Bayer filter, named by its first two rows."""
    out = np.empty(image.shape[:2], image.dtype)
    for index, letter in enumerate(pattern):
        row, column = divmod(index, 2)
        out[row::2, column::2] = image[row::2, column::2, "rgb".index(letter)]
    return out


def wide(image: np.ndarray) -> np.ndarray:
    return image.astype(np.uint16) * 257


RGB = picture()
GREY = np.dstack([RGB[..., 1]] * 3)
