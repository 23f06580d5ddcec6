"""Turns camera messages into the small frames in which motion is measured, at little cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2

from egm_core.pictures import messages
from egm_core.pictures.file import jpeg_size
from egm_core.propagation.frames import SmallFrame, shrink
from egm_core.streams.timeline import stamp_of

# What OpenCV's JPEG decoder can leave out on its way.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def small_frame(message: Any, width: int, decode: Callable[[Any], messages.RGB] = messages.quickly) -> SmallFrame:
    """Make a small frame of an Image or CompressedImage.

    A JPEG is decoded at a fraction of its size, which is where most of the time would go; all else by `decode`. Raises
    ImageError as `egm_core.pictures.messages.decode` does.
    """
    if hasattr(message, "encoding"):
        return shrink(decode(message), stamp_of(message), width)
    picture = messages.opened(message)
    # A mosaic's pixels are no colours until they are put together.
    size = None if picture.mosaic else jpeg_size(picture.data.data)
    factor = next((factor for factor in _REDUCED if size is not None and size[0] >= factor * width), 0)
    if size is None or not factor:
        return shrink(decode(message), stamp_of(message), width)
    image = messages.imdecode(picture, _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    return shrink(messages.in_rgb(picture, image), stamp_of(message), width, size)
