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
from std_msgs.msg import String
from vision_msgs.msg import Detection2D, Detection2DArray

from egm_core.streams.joining import Answer, Pairs


class Listener(Node):
    """Listens for boxes and pairs them."""

    def __init__(self, instruction: str) -> None:
        super().__init__("listener")
        self.instruction = instruction
        self.pairs = Pairs()
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
        """Take in what can be seen of an object."""
        self.show(self.pairs.visible(array))

    def on_amodal(self, array: Detection2DArray) -> None:
        """Take in the whole object; nobody knows which of the two topics comes first."""
        self.show(self.pairs.amodal(array))

    def show(self, answer: Answer | None) -> None:
        """Print both boxes of each object of an answer; ids say which belong together."""
        for entry in self.pairs.dropped():
            print(entry, file=sys.stderr, flush=True)
        if answer is None:
            return
        whole = {detection.id: detection for detection in answer.amodal.detections}
        if not answer.visible.detections:
            print("nothing fits, or no box may be published: grounding/status says which", flush=True)
        for detection in answer.visible.detections:
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
