"""Asks the grounding node once, and waits for the answer: what a task planner starts from.

    source tools/env.sh          # or a ROS 2 workspace with this package
    python examples/one_shot.py "the red mug"

The answer is about the newest image of each camera. It comes as JSON, with boxes in pixels and the image's stamp.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger

PATIENCE = 60.0


class Asker(Node):
    """Sets the instruction, and calls `~/ground_once`."""

    def __init__(self) -> None:
        super().__init__("asker")
        self.served = ""
        self.instruction = self.create_publisher(String, "instruction", 1)
        # Latched, so that it tells at once what is served.
        latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, "grounding/instruction_active", self.on_served, latched)
        self.once = self.create_client(Trigger, "grounding/ground_once")

    def on_served(self, message: String) -> None:
        """Note which instruction the node serves now."""
        self.served = message.data

    def ask(self, instruction: str) -> list[dict[str, Any]]:
        """Give the answer for each camera."""
        self.wait(lambda: bool(self.instruction.get_subscription_count()), "no grounding node listens to instructions")
        self.instruction.publish(String(data=instruction))
        self.wait(lambda: self.served == instruction, "the node did not take the instruction")
        self.wait(self.once.service_is_ready, "the node has no service ~/ground_once")
        future = self.once.call_async(Trigger.Request())
        self.wait(future.done, "no answer came; see grounding/status")
        answers = json.loads(future.result().message)
        return answers if isinstance(answers, list) else [answers]

    def wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Spin until a condition holds, or end with what is wrong."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                sys.exit(otherwise)
            rclpy.spin_once(self, timeout_sec=0.1)


def main() -> int:
    """Ask what the command line says; 1 where an answer is an error."""
    if len(sys.argv) < 2:
        sys.exit('usage: python examples/one_shot.py "the red mug"')
    rclpy.init()
    asker = Asker()
    try:
        answers = asker.ask(" ".join(sys.argv[1:]))
    finally:
        asker.destroy_node()
        rclpy.try_shutdown()
    for answer in answers:
        about = f"{answer['camera'] or answer['image']} at {answer['stamp']}: {answer['outcome']}"
        if answer["outcome"] == "found":
            print(f"{about}, visible {answer['visible']}, whole {answer['amodal'] or 'unknown'}")
        else:
            print(f"{about} {answer['reason']} {answer['detail']}".rstrip())
    return int(any(answer["outcome"] == "error" for answer in answers))


if __name__ == "__main__":
    sys.exit(main())
