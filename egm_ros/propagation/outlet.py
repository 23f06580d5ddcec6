"""What the propagation node publishes: boxes of the newest image, their end, lines to ask for again, and its status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.streams.joining import Stamp
from egm_ros.common.messages import detection
from egm_ros.common.nodes.follower import FollowerNode
from egm_ros.interface import propagation as interface
from egm_ros.propagation.catching_up import Carried
from egm_ros.propagation.status import Verdict, status_of


class Outlet:
    """The publishers of a node; it knows of which image boxes were published last."""

    def __init__(self, node: FollowerNode) -> None:
        self._node = node
        self._told: Stamp = 0
        self._visible: Any = None
        self._amodal: Any = None
        self._lost: Any = None
        self._status = node.open_publisher(DiagnosticStatus, interface.STATUS)

    def open(self) -> None:
        """Make the publishers that speak while the node is active."""
        self._visible = self._node.utter(Detection2DArray, interface.VISIBLE)
        self._amodal = self._node.utter(Detection2DArray, interface.AMODAL)
        self._lost = self._node.utter(String, interface.LOST)

    def boxes(self, header: Header, moment: Stamp, carried: Iterable[Carried]) -> None:
        """Publish once for an image, whoever asks: a new answer may come after the old one's step."""
        if moment == self._told:
            return
        self._told = moment
        visible, amodal = Detection2DArray(header=header), Detection2DArray(header=header)
        for entry in carried:
            track = entry.track
            visible.detections.append(detection(header, entry.identity, track.visible, entry.label, track.score))
            if track.amodal is not None:
                score = min(1.0, track.score * entry.amodal_score)
                amodal.detections.append(detection(header, entry.identity, track.amodal, entry.label, score))
        self._visible.publish(visible)
        self._amodal.publish(amodal)

    def end(self, header: Header | None) -> None:
        """Publish arrays without boxes."""
        if header is not None:
            self._visible.publish(Detection2DArray(header=header))
            self._amodal.publish(Detection2DArray(header=header))

    def ask(self, labels: Iterable[str]) -> None:
        """Publish the lines whose boxes were lost."""
        for label in sorted(set(labels)):
            self._lost.publish(String(data=label))

    def tell(self, header: Header, verdict: Verdict) -> None:
        """Publish what became of an answer, whose header it is, and log what is to be looked at."""
        node = self._node
        self.report(header, verdict)
        node.get_logger().debug(
            f"{verdict.outcome}: {verdict.message}; {verdict.carried} of {verdict.objects} boxes"
            f" are carried on, {verdict.age:.2f} s after the answer's image"
        )
        if verdict.level != DiagnosticStatus.OK:
            node.notices.seldom(tuple(verdict.reasons), verdict.message)

    def report(self, header: Header, verdict: Verdict) -> None:
        """Publish what became of an answer, and leave the log to others."""
        self._status.publish(status_of(self._node.get_fully_qualified_name(), header, verdict))
        self._node.did(verdict.outcome, verdict.level, verdict.message)

    def forget(self) -> None:
        """Forget of which image boxes were published: time begins anew."""
        self._told = 0
