"""Turns camera messages into the small frames in which motion is measured, at little cost."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from egm_core.joining import stamp_of
from egm_core.propagation import SmallFrame, shrink
from egm_ros import images
from egm_ros.images import ImageError

# What OpenCV's JPEG decoder can leave out on its way.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def small_frame(message: Any, width: int) -> SmallFrame:
    """Decode an Image or CompressedImage to a small frame.

    A JPEG is decoded at a fraction of its size, which is where most of the time would go. Raises ImageError as
    `images.decode` does.
    """
    data = np.frombuffer(message.data, np.uint8) if not hasattr(message, "encoding") else np.zeros(0, np.uint8)
    size = jpeg_size(data)
    factor = next((factor for factor in _REDUCED if size is not None and size[0] >= factor * width), 0)
    if size is None or not factor:
        return shrink(images.decode(message), stamp_of(message), width)
    images.refuse_cut_short(data)
    image = cv2.imdecode(data, _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ImageError("undecodable", f"{data.size} bytes declared as {message.format!r} are no image")
    return shrink(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), stamp_of(message), width, size)


def jpeg_size(data: Any) -> tuple[int, int] | None:
    """Read a JPEG's (width, height) from its frame header; None for anything else."""
    if data[:2].tobytes() != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < data.size and data[at] == 0xFF:
        kind = int(data[at + 1])
        # Start of frame: C0 to CF, but for tables (C4, CC) and the reserved C8.
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = (int(data[at + i]) << 8 | int(data[at + i + 1]) for i in (5, 7))
            return width, height
        at += 2 + (int(data[at + 2]) << 8 | int(data[at + 3]))
    return None
