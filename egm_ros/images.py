"""Turns ROS images into NumPy arrays and back: every encoding a camera sends, without cv_bridge.

`decode` and `decode_depth` read any object with the fields of sensor_msgs/Image or CompressedImage. Where a ROS
installation has a cv_bridge in working order, that does the conversion instead, with equal results.
"""

from __future__ import annotations

import array
import functools
import importlib.util
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

RGB = NDArray[np.uint8]

# encoding -> (type of a sample, samples of a pixel, OpenCV conversions to RGB)
_COLOUR: dict[str, tuple[type[np.generic], int, int | None]] = {
    "rgb8": (np.uint8, 3, None),
    "bgr8": (np.uint8, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (np.uint16, 3, None),
    "bgr16": (np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (np.uint16, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (np.uint16, 1, cv2.COLOR_GRAY2RGB),
    "yuv422": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    # ROS names a Bayer pattern by its first row, OpenCV by the second row's middle.
    "bayer_rggb8": (np.uint8, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (np.uint8, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (np.uint8, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (np.uint8, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": (np.uint16, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (np.uint16, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (np.uint16, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (np.uint16, 1, cv2.COLOR_BayerGB2RGB),
}
# Depth in what unit of metres (REP-118).
_DEPTH: dict[str, tuple[type[np.generic], float]] = {
    "16UC1": (np.uint16, 0.001),
    "mono16": (np.uint16, 0.001),
    "32FC1": (np.float32, 1.0),
}

_BRIDGE_PROBE = """
import numpy
from cv_bridge import CvBridge
image = numpy.arange(24, dtype=numpy.uint8).reshape(2, 4, 3)
bridge = CvBridge()
assert (bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "bgr8"), "rgb8") == image[..., ::-1]).all()
"""


class ImageError(ValueError):
    """An image that cannot be used; `reason` is one word for why, the message says it in a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def decode(message: Any) -> RGB:
    """Decode a colour or grey image to RGB, shape (height, width, 3), 8 bits; 16-bit values are scaled down.

    Raises ImageError with the reason empty_image, bad_step, truncated, size_mismatch, unsupported_encoding,
    odd_size, not_colour or undecodable.
    """
    if not hasattr(message, "encoding"):
        return _decode_compressed(message)
    encoding = str(message.encoding)
    if encoding not in _COLOUR:
        if encoding in _DEPTH:
            raise ImageError("not_colour", f"{encoding} is a depth image; subscribe to the camera's colour image")
        raise ImageError("unsupported_encoding", f"{encoding!r} is none of {', '.join(_COLOUR)}")
    sample, channels, conversion = _COLOUR[encoding]
    pixels = _pixels(message, sample, channels)
    height, width = pixels.shape[:2]
    if channels == 2 and width % 2:
        raise ImageError("odd_size", f"{encoding} shares colours between two pixels, but the width is {width}")
    if encoding.startswith("bayer") and (width < 2 or height < 2):
        raise ImageError("odd_size", f"{encoding} needs 2x2 pixels, but the image is {width}x{height}")
    bridge = _cv_bridge()
    if bridge is not None and encoding not in ("8UC1", "uyvy", "yuyv"):
        return np.ascontiguousarray(bridge.imgmsg_to_cv2(message, "rgb8"))
    colour = pixels.copy() if conversion is None else cv2.cvtColor(pixels, conversion)
    if sample is np.uint16:
        colour = cv2.convertScaleAbs(colour, alpha=255.0 / 65535.0)
    return colour


def decode_depth(message: Any) -> NDArray[np.float32]:
    """Decode a depth image to metres, shape (height, width); what was not measured (0, NaN) becomes NaN."""
    encoding = str(getattr(message, "encoding", "compressed"))
    if encoding not in _DEPTH:
        raise ImageError("unsupported_encoding", f"depth as {encoding!r} is none of {', '.join(_DEPTH)}")
    sample, unit = _DEPTH[encoding]
    depth = _pixels(message, sample, 1).astype(np.float32) * np.float32(unit)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth


def encode(image: RGB, header: Header) -> Image:
    """Make an rgb8 message of an RGB image."""
    return _message(image, "rgb8", header)


def encode_depth(depth: NDArray[np.float32], header: Header) -> Image:
    """Make a 32FC1 message of a depth image in metres."""
    return _message(depth.astype("<f4"), "32FC1", header)


def encode_compressed(image: RGB, header: Header, quality: int = 90) -> CompressedImage:
    """Make a JPEG message of an RGB image; quality is 1 to 100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=array.array("B", data.tobytes()))


def _message(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    pixels = np.ascontiguousarray(pixels)
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        # The only type that rclpy takes without looking at every single byte.
        data=array.array("B", pixels.tobytes()),
    )


def _pixels(message: Any, sample: type[np.generic], channels: int) -> NDArray[Any]:
    """View a raw message's samples as (height, width[, channels]) in this machine's byte order."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    dtype = np.dtype(sample).newbyteorder(">" if message.is_bigendian else "<")
    row = width * channels * dtype.itemsize
    if width <= 0 or height <= 0:
        raise ImageError("empty_image", f"the image is {width}x{height}")
    if step < row:
        raise ImageError("bad_step", f"a row of {width} pixels takes {row} bytes, but step is {step}")
    data = np.frombuffer(message.data, np.uint8)
    if data.size != step * height:
        reason = "truncated" if data.size < step * height else "size_mismatch"
        raise ImageError(reason, f"{height} rows of {step} bytes make {step * height}, but {data.size} came")
    rows = data.reshape(height, step)[:, :row]
    pixels = np.ascontiguousarray(rows).view(dtype)
    if not dtype.isnative:
        pixels = pixels.astype(dtype.newbyteorder("="))
    return pixels if channels == 1 else pixels.reshape(height, width, channels)


def _decode_compressed(message: Any) -> RGB:
    declared = str(message.format)
    if "compressedDepth" in declared:
        raise ImageError("not_colour", f"{declared!r} is a depth image; subscribe to the camera's colour image")
    data = np.frombuffer(message.data, np.uint8)
    if not data.size:
        raise ImageError("empty_image", "the compressed image has no bytes")
    refuse_cut_short(data)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError("undecodable", str(error).strip().splitlines()[-1]) from error
    if image is None:
        raise ImageError("undecodable", f"{data.size} bytes declared as {declared!r} are no image")
    if "compressed rgb8" in declared:  # image_transport's word for a file whose colours are swapped
        return np.asarray(image, np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def refuse_cut_short(data: NDArray[np.uint8]) -> None:
    """Refuse a JPEG or PNG without its end: OpenCV would fill the missing part with grey."""
    tail = data[-4096:].tobytes().rstrip(b"\0")
    if data[:2].tobytes() == b"\xff\xd8" and not tail.endswith(b"\xff\xd9"):
        raise ImageError("truncated", f"the JPEG of {data.size} bytes has no end")
    if data[:8].tobytes() == b"\x89PNG\r\n\x1a\n" and b"IEND" not in tail[-64:]:
        raise ImageError("truncated", f"the PNG of {data.size} bytes has no end")


@functools.cache
def _cv_bridge() -> Any | None:
    """Give a cv_bridge that works, or None.

    One that was built for another NumPy takes the whole process down, so it is tried in a process of its own.
    """
    if importlib.util.find_spec("cv_bridge") is None:
        return None
    try:
        probe = subprocess.run([sys.executable, "-c", _BRIDGE_PROBE], capture_output=True, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    if probe.returncode:
        return None
    from cv_bridge import CvBridge

    return CvBridge()
