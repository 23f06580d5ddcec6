"""Asks for several targets at a time, and says what becomes of each: what a robot that handles two objects starts from.

    source tools/env.sh          # or a ROS 2 workspace with this package
    python examples/several_targets.py "the red mug" "the blue box"

Each word on the command line is a target. Only one that is said to be absent has ended: one that is late, failed or not
asked yet may be where it was.
"""

from __future__ import annotations

import json
import sys

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray


class Follower(Node):
    """Keeps the newest visible box of each target, until it is absent."""

    def __init__(self, targets: list[str]) -> None:
        super().__init__("follower")
        self.targets = targets
        self.boxes: dict[str, Detection2D] = {}
        self.publisher = self.create_publisher(String, "instruction", 1)
        self.create_subscription(Detection2DArray, "grounding/visible", self.on_visible, 16)
        self.create_subscription(DiagnosticStatus, "grounding/status", self.on_status, 16)
        self.timer = self.create_timer(0.1, self.speak)

    def speak(self) -> None:
        """Say what to find as soon as someone listens: a line for each."""
        if self.publisher.get_subscription_count():
            self.publisher.publish(String(data="\n".join(self.targets)))
            self.timer.cancel()

    def on_visible(self, array: Detection2DArray) -> None:
        """Take in boxes: an array says nothing of the targets that are not in it."""
        for detection in array.detections:
            self.boxes[detection.results[0].hypothesis.class_id] = detection

    def on_status(self, status: DiagnosticStatus) -> None:
        """Let go of what is absent, and print the state of each target."""
        values = {entry.key: entry.value for entry in status.values}
        for target in json.loads(values.get("targets", "[]")):
            line, state = target["instruction"], target["state"]
            if state == "absent":
                self.boxes.pop(line, None)
            box = self.boxes.get(line)
            print(f"{target['seq']} {line!r}: {state}, {middle(box) if box else 'no box'}", flush=True)


def middle(detection: Detection2D) -> str:
    """Write where the middle of a box is, in pixels."""
    center = detection.bbox.center.position
    return f"visible box around ({center.x:.0f}, {center.y:.0f})"


def main() -> None:
    """Follow until told to stop."""
    rclpy.init()
    node = Follower(sys.argv[1:])
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
