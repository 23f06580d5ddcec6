"""Turns ROS images into NumPy arrays and back: every encoding a camera sends, without cv_bridge.

Decoding is `egm_core.pictures.messages`. Where a ROS installation has a cv_bridge in working order, that does the
conversion instead, with equal results.
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

from egm_core.pictures import messages
from egm_core.pictures.depth import decode_depth, depth_samples
from egm_core.pictures.messages import RGB, ImageError, guess, imdecode, in_rgb, opened

__all__ = (
    "RGB",
    "ImageError",
    "decode",
    "decode_depth",
    "depth_samples",
    "encode",
    "encode_compressed",
    "encode_depth",
    "guess",
    "imdecode",
    "in_rgb",
    "opened",
)

# What cv_bridge refuses, or names in another way.
_NOT_BRIDGED = {"8UC1", "8UC3", "8UC4", "16UC3", "16UC4", "uyvy", "yuyv"}

_BRIDGE_PROBE = """
import numpy
from cv_bridge import CvBridge
image = numpy.arange(24, dtype=numpy.uint8).reshape(2, 4, 3)
bridge = CvBridge()
assert (bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, "bgr8"), "rgb8") == image[..., ::-1]).all()
"""


def decode(message: Any, quick: bool = False) -> RGB:
    """Decode a colour or grey image to RGB as `egm_core.pictures.messages` does, or by cv_bridge where there is one."""
    return messages.decode(message, quick, _bridged)


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


def _bridged(message: Any) -> RGB | None:
    bridge = None if message.encoding in _NOT_BRIDGED else _cv_bridge()
    return None if bridge is None else np.ascontiguousarray(bridge.imgmsg_to_cv2(message, "rgb8"))


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
