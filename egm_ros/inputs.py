"""The inputs of a node that follows others: it says by name on which of them nothing comes, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

from egm_ros.interface import Topic
from egm_ros.publishers import obstacle
from egm_ros.qos import profile

# A stream may be silent for so long (seconds) until that is told; the same is not told again before AGAIN.
SILENT, AGAIN = 5.0, 60.0
PERIOD = 1.0
SENT = "there is a publisher, but it sends nothing, or what it sends gets lost on its way"


@dataclass
class _Input:
    """A subscription: what it is for, and when something came or was said last (monotonic seconds)."""

    subscription: Any
    kind: Any
    quality: QoSProfile
    steady: bool
    since: float
    came: bool = False
    said: float | None = None


class Inputs:
    """Subscribes a node's inputs, and warns where nothing comes on one of them.

    A steady input brings something all the time, as a camera does. Of the others, such as boxes, silence alone says
    nothing: they are told where nothing can come, as nobody publishes there, or something that does not fit.
    """

    def __init__(self, node: Node, silent: Callable[[str, str], None] = lambda topic, text: None) -> None:
        """Watch for a node; `silent` is called with the name of a topic and what is said of it."""
        self._node, self._silent = node, silent
        self._inputs: dict[str, _Input] = {}
        node.create_timer(PERIOD, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def __bool__(self) -> bool:
        return bool(self._inputs)

    def listen(self, kind: Any, topic: Topic, callback: Callable[[Any], None], steady: bool = False) -> None:
        """Subscribe a topic."""
        quality = profile(topic)

        def note(message: Any) -> None:
            entry = self._inputs.get(topic.name)
            if entry is not None:
                entry.since, entry.came = time.monotonic(), True
            callback(message)

        subscription = self._node.create_subscription(
            kind, topic.name, note, quality,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )  # fmt: skip
        self._inputs[topic.name] = _Input(subscription, kind, quality, steady, time.monotonic())

    def leave(self) -> None:
        """Subscribe nothing any more."""
        for entry in self._inputs.values():
            self._node.destroy_subscription(entry.subscription)
        self._inputs.clear()

    def silence(self, name: str, limit: float) -> str:
        """Say that nothing comes on a topic, for how long, and why; empty where something came within the limit."""
        entry = self._inputs[name]
        lasted = time.monotonic() - entry.since
        if lasted <= limit:
            return ""
        topic = entry.subscription.topic_name
        cause = obstacle(self._node, topic, entry.kind, entry.quality)
        if not cause and not entry.steady:
            return ""
        span = f"for {lasted:.0f} s" if entry.came else f"since the start {lasted:.0f} s ago"
        return f"nothing comes on {topic} {span}: {cause or SENT}"

    def _look(self) -> None:
        """Tell each silence, once in a while."""
        now = time.monotonic()
        for name, entry in self._inputs.items():
            if entry.said is None or now - entry.said >= AGAIN:
                text = self.silence(name, SILENT)
                if text:
                    entry.said = now
                    self._node.get_logger().warning(text)
                    self._silent(name, text)
