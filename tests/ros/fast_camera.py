"""A camera that costs next to nothing: it sends one prebuilt message again and again, with a new stamp.

For example:

    python tests/ros/fast_camera.py --width 1280 --height 720 --rate 60
    python tests/ros/fast_camera.py --picture street.jpg --name rear --rate 10
"""

from __future__ import annotations

import argparse
import struct
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

# The header comes first: four bytes of encapsulation, then seconds and nanoseconds.
STAMP = 4


def pattern(width: int, height: int) -> np.ndarray:
    """Make a picture (H, W, 3 RGB) with large and small structure."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x // 16 + y // 16) % 2 * 200], axis=-1).astype(np.uint8)


def image(pixels: np.ndarray, frame: str) -> Image:
    """Make a message of a picture, rgb8."""
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.frame_id = frame
    message.data = pixels.tobytes()
    return message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--picture", type=Path, help="a file to send instead of a pattern")
    parser.add_argument("--name", default="", help="the camera's name before its topic, and the frame")
    parser.add_argument("--rate", type=float, default=60.0)
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("fast_camera", enable_rosout=False, start_parameter_services=False)
    topic = f"{options.name}/image" if options.name else "image"
    publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
    file = options.picture
    pixels = pattern(options.width, options.height) if file is None else cv2.imread(str(file))[:, :, ::-1]
    data = bytearray(serialize_message(image(pixels, options.name or "camera")))
    due = time.monotonic()
    while rclpy.ok():
        struct.pack_into("<iI", data, STAMP, *divmod(time.time_ns(), 1_000_000_000))
        publisher.publish(bytes(data))
        due = max(due + 1.0 / options.rate, time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
