"""Publishes on ~/status: what became of a query, what an engine does, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus

from egm_core.supervise.link import EngineState
from egm_ros.common import messages
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling import reports
from egm_ros.interface import grounding as interface


class Status:
    """The node's ~/status; every message has the same keys first."""

    def __init__(self, node: BaseNode, present: Present) -> None:
        self._node, self._present = node, present
        self._publisher = node.open_publisher(DiagnosticStatus, interface.STATUS)

    def report(self, level: bytes, message: str, values: Mapping[str, object], camera: str = "") -> None:
        """Publish this; `camera` names whose image it is about."""
        asking, settings = self._present.asking, self._present.settings
        slot = asking.slot(camera)
        slots = [slot] if slot else asking.slots
        common = reports.common_values(self._present.orders.sequence, camera, asking.links, slots)
        name = self._node.get_fully_qualified_name().lstrip("/")
        self._publisher.publish(messages.status(name, settings.model, level, message, {**common, **values}))

    def failure(self, reason: str, detail: str, camera: str = "") -> None:
        """Log a failure and publish it, with the camera's name where it is about one."""
        self._node.get_logger().error(f"{reason}: {detail}")
        self.report(DiagnosticStatus.ERROR, detail, {"outcome": "error", "reason": reason}, camera)

    def engine(self, state: EngineState, log: bool = True) -> None:
        """Say what an engine is doing."""
        logger = self._node.get_logger()
        if log and state.state == "failed":
            logger.error(state.words)
        elif log and state.reason == "engine_degraded":
            logger.warning(state.words)
        elif log:
            logger.info(state.words)
        self.report(*reports.engine_values(state))
