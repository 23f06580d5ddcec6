"""The encodings of raw camera images, and how each becomes RGB; names are those of sensor_msgs/image_encodings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Packed:
    """An encoding whose samples lie pixel by pixel: their type, how many a pixel has, OpenCV's conversion to RGB.

    `guess` names the encoding that it is taken for where its name leaves the order of colours open.
    """

    sample: type[np.generic]
    channels: int
    conversion: int | None
    guess: str = ""


PACKED: dict[str, Packed] = {
    "rgb8": Packed(np.uint8, 3, None),
    "bgr8": Packed(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "rgba8": Packed(np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": Packed(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "mono8": Packed(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": Packed(np.uint8, 1, cv2.COLOR_GRAY2RGB),
    # OpenCV's own names: its pictures are BGR.
    "8UC3": Packed(np.uint8, 3, cv2.COLOR_BGR2RGB, "bgr8"),
    "8UC4": Packed(np.uint8, 4, cv2.COLOR_BGRA2RGB, "bgra8"),
    "rgb16": Packed(np.uint16, 3, None),
    "bgr16": Packed(np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba16": Packed(np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": Packed(np.uint16, 4, cv2.COLOR_BGRA2RGB),
    "mono16": Packed(np.uint16, 1, cv2.COLOR_GRAY2RGB),
    "16UC3": Packed(np.uint16, 3, cv2.COLOR_BGR2RGB, "bgr16"),
    "16UC4": Packed(np.uint16, 4, cv2.COLOR_BGRA2RGB, "bgra16"),
    "yuv422": Packed(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": Packed(np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": Packed(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": Packed(np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    # ROS names a Bayer pattern by its first row, OpenCV by the second row's middle.
    "bayer_rggb8": Packed(np.uint8, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": Packed(np.uint8, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": Packed(np.uint8, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": Packed(np.uint8, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": Packed(np.uint16, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": Packed(np.uint16, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": Packed(np.uint16, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": Packed(np.uint16, 1, cv2.COLOR_BayerGB2RGB),
}

# BT.601 in studio range, as OpenCV converts the other YUV encodings: RGB from Y, U, V and 1.
_STUDIO = np.array(
    [
        [1.164, 0.0, 1.596, -1.164 * 16 - 1.596 * 128],
        [1.164, -0.391, -0.813, -1.164 * 16 + (0.391 + 0.813) * 128],
        [1.164, 2.018, 0.0, -1.164 * 16 - 2.018 * 128],
    ]
)


def _halved(conversion: int) -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[Any]]:
    """Convert a plane of luma (H, W) and one of colours of every 2x2 pixels (H/2, W/2, 2)."""
    return lambda luma, colour: np.asarray(cv2.cvtColorTwoPlane(luma, colour, conversion))


def _full(luma: NDArray[np.uint8], colour: NDArray[np.uint8]) -> NDArray[Any]:
    """Convert a plane of luma (H, W) and one of every pixel's colour (H, W, 2)."""
    return np.asarray(cv2.transform(np.dstack([luma, colour]), _STUDIO))


@dataclass(frozen=True)
class Planar:
    """An encoding of two planes, luma and then colours, one colour to every `share` x `share` pixels."""

    share: int
    convert: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[Any]]


PLANAR: dict[str, Planar] = {
    "nv12": Planar(2, _halved(cv2.COLOR_YUV2RGB_NV12)),
    "nv21": Planar(2, _halved(cv2.COLOR_YUV2RGB_NV21)),
    "nv24": Planar(1, _full),
}

# Depth in what unit of metres (REP-118).
DEPTH: dict[str, tuple[type[np.generic], float]] = {
    "16UC1": (np.uint16, 0.001),
    "mono16": (np.uint16, 0.001),
    "32FC1": (np.float32, 1.0),
}
COLOUR = (*PACKED, *PLANAR)


def guessed(encoding: str) -> str:
    """Say what an encoding is taken for, and what to do, where its name leaves that open; empty for all others."""
    packed = PACKED.get(encoding)
    if packed is None or not packed.guess:
        return ""
    likely = packed.guess
    return (
        f"encoding {encoding} does not say in which order the colours are; taken as {likely}. If red and blue look "
        f"swapped, have the driver send {likely.replace('bgr', 'rgb')}, or {likely} to end this message"
    )
