"""The inputs of a node that follows others: it says by name on which of them nothing comes, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.publishers import obstacle
from egm_ros.common.qos import profile
from egm_ros.common.streams.arrivals import Arrivals
from egm_ros.common.streams.stamps import clock_missing
from egm_ros.interface.topic import Topic

# A stream may be silent for so long (seconds) until that is told; the same is not told again before AGAIN.
SILENT, AGAIN = 5.0, 60.0
PERIOD = 1.0
SENT = "there is a publisher, but it sends nothing, or what it sends gets lost on its way"


@dataclass
class _Input:
    """A subscription: what it is for, and when something came last (monotonic seconds).

    `cause` is what was said last of why nothing comes, `said` when; empty where something has come since. `text` is
    what is to be said of its silence now.
    """

    subscription: Any
    kind: Any
    quality: QoSProfile
    steady: bool
    kept: bool
    since: float
    came: bool = False
    cause: str = ""
    said: float = 0.0
    text: str = ""
    arrivals: Arrivals = field(default_factory=Arrivals)

    @property
    def needed(self) -> bool:
        """Whether nothing can be done while nothing comes."""
        return self.steady or (self.kept and not self.came)


class Inputs:
    """Subscribes a node's inputs, and warns where nothing comes on one of them.

    A steady input brings something all the time, as a camera does; one that is kept brings something at least once,
    as a camera's calibration. Of the others, such as boxes, silence alone says nothing: they are told where nothing can
    come, as nobody publishes there, or something that does not fit. Of pictures it is said what is guessed.
    """

    def __init__(self, node: BaseNode, silent: Callable[[str, str], None] = lambda topic, text: None) -> None:
        """Watch for a node; `silent` is called with the name of a topic and what is said of it."""
        self._node, self._silent = node, silent
        self._inputs: dict[str, _Input] = {}
        node.every(PERIOD, self._look)

    def __bool__(self) -> bool:
        return bool(self._inputs)

    def listen(
        self, kind: Any, topic: Topic, callback: Callable[[Any], None], steady: bool = False, kept: bool = False
    ) -> None:
        """Subscribe a topic."""
        name, quality = self.name(topic), profile(topic)

        def note(message: Any) -> None:
            entry = self._inputs.get(topic.name)
            if entry is not None:
                self._heard(entry)
            if kind in (Image, CompressedImage):
                self._node.pictures.came(name, message)
            callback(message)

        subscription = self._node.open_subscription(kind, topic, note)
        self._inputs[topic.name] = _Input(subscription, kind, quality, steady, kept, time.monotonic())

    def leave(self) -> None:
        """Subscribe nothing any more."""
        for entry in self._inputs.values():
            self._node.destroy_subscription(entry.subscription)
        self._inputs.clear()

    def name(self, topic: Topic) -> str:
        """Give a topic's name as it is after remapping."""
        return str(self._node.resolve_topic_name(topic.name))

    def silence(self, name: str, limit: float) -> str:
        """Say that nothing comes on a topic, for how long, and why; empty where something came within the limit."""
        entry = self._inputs[name]
        lasted = time.monotonic() - entry.since
        if lasted <= limit:
            return ""
        span = f"for {lasted:.0f} s" if entry.came else f"since the start {lasted:.0f} s ago"
        cause = self._cause(entry)
        return f"nothing comes on {entry.subscription.topic_name} {span}: {cause}" if cause else ""

    def health(self) -> tuple[bytes, str, dict[str, object]]:
        """Tell how the inputs are, for /diagnostics: level, words, and of each its topic, count and rate."""
        now, entries = time.monotonic(), self._inputs.values()
        values: dict[str, object] = {}
        for entry in entries:
            topic = entry.subscription.topic_name
            values |= {f"{topic} received": entry.arrivals.total, f"{topic} rate_hz": entry.arrivals.rate(now)}
        for entry in sorted(entries, key=lambda entry: not entry.needed):
            if entry.text:
                return DiagnosticStatus.ERROR if entry.needed else DiagnosticStatus.WARN, entry.text, values
        return DiagnosticStatus.OK, "all are heard, or silent by right" if values else "none is needed now", values

    def _cause(self, entry: _Input) -> str:
        """Say why nothing comes; empty where nothing has to."""
        known = obstacle(self._node, entry.subscription.topic_name, entry.kind, entry.quality)
        if not known and not entry.needed:
            return ""
        return "; ".join(filter(None, (known or SENT, clock_missing(self._node))))

    def _heard(self, entry: _Input) -> None:
        if entry.cause:
            entry.cause = ""
            self._node.get_logger().info(f"messages come on {entry.subscription.topic_name}")
        entry.since, entry.came, entry.text = time.monotonic(), True, ""
        entry.arrivals.came(entry.since, 0.0)

    def _look(self) -> None:
        """Tell each silence, once in a while and where its cause is another."""
        now = time.monotonic()
        for name, entry in self._inputs.items():
            text = entry.text = self.silence(name, SILENT)
            cause = self._cause(entry) if text else ""
            if cause and (cause != entry.cause or now - entry.said >= AGAIN):
                entry.cause, entry.said = cause, now
                self._node.get_logger().warning(text)
                self._silent(name, text)
