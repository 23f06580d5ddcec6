"""A node of the demonstration that says what to find, and spins until something has come."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from std_msgs.msg import String


class Asker:
    """An ordinary ROS 2 node in a process of its own, with a publisher of instructions; `close` leaves the graph."""

    def __init__(self, name: str) -> None:
        rclpy.init()
        self.node = rclpy.create_node(name)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._instruction = self.node.create_publisher(String, "instruction", QoSProfile(depth=1))

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def say(self, instruction: str) -> None:
        """Publish an instruction."""
        self._instruction.publish(String(data=instruction))

    @property
    def heard(self) -> bool:
        """Whether someone listens for instructions."""
        return bool(self._instruction.get_subscription_count())

    def spin_until(
        self, condition: Callable[[], bool], seconds: float, check: Callable[[], object], pause: float = 0.0
    ) -> bool:
        """Spin until the condition holds or the time is over, and say whether it held.

        `check` is called all along, with at least a `pause` in between (seconds).
        """
        deadline, due = time.monotonic() + seconds, 0.0
        while not condition():
            now = time.monotonic()
            if now > deadline:
                return False
            if now >= due:
                due = now + pause
                check()
            self._executor.spin_once(timeout_sec=0.05)
        return True
