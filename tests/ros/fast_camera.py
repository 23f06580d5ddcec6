"""A camera that costs next to nothing: it sends one prebuilt message again and again, with a new stamp.

For example:

    python tests/ros/fast_camera.py --width 1280 --height 720 --rate 60
"""

from __future__ import annotations

import argparse
import struct
import time

import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

# The header comes first: four bytes of encapsulation, then seconds and nanoseconds.
STAMP = 4


def picture(width: int, height: int) -> Image:
    """Make an image with large and small structure, rgb8."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x // 16 + y // 16) % 2 * 200], axis=-1).astype(np.uint8)
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.frame_id = "camera"
    message.data = pixels.tobytes()
    return message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--rate", type=float, default=60.0)
    options = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("fast_camera", enable_rosout=False, start_parameter_services=False)
    publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
    data = bytearray(serialize_message(picture(options.width, options.height)))
    due = time.monotonic()
    while rclpy.ok():
        struct.pack_into("<iI", data, STAMP, *divmod(time.time_ns(), 1_000_000_000))
        publisher.publish(bytes(data))
        due = max(due + 1.0 / options.rate, time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
