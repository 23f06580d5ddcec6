"""Prints the boxes that the grounding node publishes: what a robot's own code starts from.

    source tools/env.sh          # or a ROS 2 workspace with this package
    python examples/subscriber.py "the red mug"

With words, they are published as the instruction first. Visible and amodal boxes belong together by their stamp.
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray


class Listener(Node):
    """Listens for boxes and pairs them."""

    def __init__(self, instruction: str) -> None:
        super().__init__("listener")
        self.instruction = instruction
        self.visible: dict[int, Detection2DArray] = {}
        self.publisher = self.create_publisher(String, "instruction", 1)
        self.create_subscription(Detection2DArray, "grounding/visible", self.on_visible, 5)
        self.create_subscription(Detection2DArray, "grounding/amodal", self.on_amodal, 5)
        if instruction:
            self.timer = self.create_timer(0.1, self.speak)

    def speak(self) -> None:
        """Say what to find as soon as someone listens."""
        if self.publisher.get_subscription_count():
            self.publisher.publish(String(data=self.instruction))
            self.timer.cancel()

    def on_visible(self, array: Detection2DArray) -> None:
        """Keep what can be seen until the amodal boxes of the same picture come."""
        self.visible = {Time.from_msg(array.header.stamp).nanoseconds: array}

    def on_amodal(self, array: Detection2DArray) -> None:
        """Print both boxes of an object; ids say which belong together."""
        visible = self.visible.get(Time.from_msg(array.header.stamp).nanoseconds)
        if visible is None:
            return
        whole = {detection.id: detection for detection in array.detections}
        if not visible.detections:
            print("nothing fits", flush=True)
        for detection in visible.detections:
            hypothesis = detection.results[0].hypothesis
            hidden = corners(whole[detection.id]) if detection.id in whole else "unknown"
            print(
                f"{detection.id} {hypothesis.class_id!r} score {hypothesis.score:.2f}: "
                f"visible {corners(detection)}, whole {hidden}",
                flush=True,
            )


def corners(detection: Detection2D) -> str:
    """Write a box as its edges in pixels: left, top, right, bottom."""
    center, width, height = detection.bbox.center.position, detection.bbox.size_x, detection.bbox.size_y
    left, top = center.x - width / 2, center.y - height / 2
    return f"({left:.0f}, {top:.0f}, {left + width:.0f}, {top + height:.0f})"


def main() -> None:
    """Listen until told to stop."""
    rclpy.init()
    node = Listener(" ".join(sys.argv[1:]))
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
