"""A lifecycle node of this package: it starts itself unless a manager does, and no transition fails in silence."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions

from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.nodes.transitions import refuse_impossible
from egm_ros.common.qos import profile
from egm_ros.interface.topic import Topic


class ManagedNode(BaseNode, LifecycleNode):
    """A node with the states of ROS; parameter `autostart` of its table says whether it activates itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        refuse_impossible(self)

    def begin(self) -> bool:
        """Configure and activate, as a lifecycle manager would, unless one is to do it; False where that fails."""
        steps = (self.trigger_configure, self.trigger_activate) if self._values["autostart"] else ()
        return all(step() == TransitionCallbackReturn.SUCCESS for step in steps)

    def report_failure(self, reason: str, detail: str) -> None:
        """Log what failed, and tell it where the node tells such things."""
        self.get_logger().error(f"{reason}: {detail}")

    def speak(self, kind: Any, topic: Topic, camera: str = "") -> Any:
        """Publish a topic while the node is active."""
        options = QoSOverridingOptions.with_default_policies()
        return self.create_lifecycle_publisher(kind, topic.of(camera), profile(topic), qos_overriding_options=options)
