"""What every node of this package is: its table's parameters, its log's notices, topics of the interface's quality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions

from egm_ros.common.nodes.parameters import declare, watch
from egm_ros.common.nodes.qualities import without_effect
from egm_ros.common.notices import Notices
from egm_ros.common.pictures.report import PictureReport
from egm_ros.common.qos import profile
from egm_ros.interface.tables import NAMES, TABLES
from egm_ros.interface.topic import Topic


class BaseNode(Node):
    """A node whose parameters, topics and services are the tables of its `NODE`; `run` spins one as a process.

    A lifecycle node is `class MyNode(BaseNode, LifecycleNode)`.
    """

    NODE: ClassVar[str]
    # What goes wrong in such a way ends the process with status 2 and one line.
    FAILURES: ClassVar[tuple[type[Exception], ...]] = (ValueError,)

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; raises ValueError that names a bad one."""
        super().__init__(self.NODE, **options)
        self._values = declare(self, TABLES[self.NODE])
        watch(self, TABLES[self.NODE], self._check, self._change)
        for said in without_effect(self._parameter_overrides, self._ends):
            self.get_logger().warning(said)
        self.notices = Notices(self.get_logger())
        self.pictures = PictureReport(self.notices)
        self.finished = False

    def begin(self) -> bool:
        """Do what comes before spinning; False where the node cannot begin, which ends the process with status 1."""
        return True

    def survive(self, error: Exception) -> None:
        """Take what went wrong in a callback; raising it again ends the process."""
        raise error

    def close(self) -> None:
        """Let go of what outlives callbacks, before the node is destroyed; the executor rests."""

    def open_publisher(self, kind: Any, topic: Topic, camera: str = "") -> Any:
        """Publish a topic, with the quality of service that its table says."""
        return self.create_publisher(kind, topic.of(camera), profile(topic), qos_overriding_options=_settable())

    def open_subscription(self, kind: Any, topic: Topic, callback: Callable[[Any], None], camera: str = "") -> Any:
        """Subscribe a topic, with the quality of service that its table says."""
        return self.create_subscription(
            kind, topic.of(camera), callback, profile(topic), qos_overriding_options=_settable()
        )

    def every(self, seconds: float, callback: Callable[[], object]) -> Any:
        """Call something again and again by a clock that never jumps.

        A clock of ROS stands still while nothing comes on /clock, and what waits would wait for ever.
        """
        return self.create_timer(seconds, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _ends(self) -> set[tuple[str, str]]:
        """Name what this node publishes or subscribes, by its tables."""
        topics = [entry for entry in NAMES[self.NODE] if isinstance(entry, Topic)]
        return {
            (self.resolve_topic_name(topic.of(camera)), "subscription" if topic.direction == "in" else "publisher")
            for topic in topics
            for camera in self._values.get("cameras", ("",))
        }

    def _check(self, changed: dict[str, Any]) -> str:
        """Say what is wrong with values together, before they change; empty where nothing is."""
        return ""

    def _change(self, changed: dict[str, Any]) -> None:
        """Take values that have changed."""
        self._values.update(changed)


def _settable() -> QoSOverridingOptions:
    """Have a topic's history, depth and reliability be parameters, as ROS does (`qos_overrides`)."""
    return QoSOverridingOptions.with_default_policies()
