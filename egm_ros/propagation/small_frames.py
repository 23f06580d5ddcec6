"""Turns camera messages into the small frames in which motion is measured, at little cost."""

from __future__ import annotations

from typing import Any

import cv2

from egm_core.pictures.file import jpeg_size
from egm_core.propagation import SmallFrame, shrink
from egm_core.streams.joining import stamp_of
from egm_ros.common.pictures import images

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
    if hasattr(message, "encoding"):
        return shrink(images.decode(message, quick=True), stamp_of(message), width)
    picture = images.opened(message)
    # A mosaic's pixels are no colours until they are put together.
    size = None if picture.mosaic else jpeg_size(picture.data.data)
    factor = next((factor for factor in _REDUCED if size is not None and size[0] >= factor * width), 0)
    if size is None or not factor:
        return shrink(images.decode(message, quick=True), stamp_of(message), width)
    image = images.imdecode(picture, _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    return shrink(images.in_rgb(picture, image), stamp_of(message), width, size)
