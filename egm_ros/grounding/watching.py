"""Watches whether images come, and tells /diagnostics how everything is."""

from __future__ import annotations

import time
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from std_msgs.msg import Header

from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.pictures.transport import kind_of
from egm_ros.common.publishers import cause
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling import diagnostics
from egm_ros.grounding.telling.status import Status
from egm_ros.grounding.telling.story import Story
from egm_ros.interface import grounding as interface

PERIOD = 0.5


class Watching:
    """Looks at the cameras and the answers again and again, by timers of its own."""

    def __init__(self, node: BaseNode, present: Present, status: Status, story: Story) -> None:
        self._node, self._present, self._status, self._story = node, present, status, story
        self._picture = kind_of(present.settings.transport)
        node.every(PERIOD, self._on_watch)
        self._diagnostics = node.open_publisher(DiagnosticArray, interface.DIAGNOSTICS)
        node.every(diagnostics.PERIOD, self._on_diagnose)

    def view(self, camera: Camera) -> diagnostics.InputView:
        """Tell how a camera's images come, and what hinders them."""
        present, node = self._present, self._node
        publishers, slot = node.count_publishers(camera.topic), present.asking.slot(camera.name)
        view = camera.view(time.monotonic(), present.since, publishers, slot)
        if view.silent <= present.settings.image_timeout or camera.images is None:
            return view
        return replace(view, obstacle=cause(node, camera.topic, self._picture, camera.images.qos_profile))

    def _on_watch(self) -> None:
        now, limit = time.monotonic(), self._present.settings.image_timeout
        for name in dict.fromkeys(place.camera for place in self._present.orders.places):
            camera = self._present.cameras.get(name)
            if camera is None:
                continue
            silent, lasting = camera.gaps(now, limit)
            if silent or lasting:
                view = replace(self.view(camera), silent=max(silent, lasting))
                detail = diagnostics.silence(view)
                slow = camera.newest is not None and not view.obstacle
                if silent:
                    said = {"outcome": "error", "reason": "no_image"}
                    self._status.report(DiagnosticStatus.ERROR, detail, said, camera.name)
                if silent and slow:
                    # Images came, and may come again.
                    self._node.notices.once(("slow", camera.name), diagnostics.slow(view, limit))
                elif silent or camera.newest is not None:
                    self._node.get_logger().error(f"no_image: {detail}")

    def _on_diagnose(self) -> None:
        """Tell /diagnostics how everything is, and the log what came of the queries."""
        now, present = time.monotonic(), self._present
        settings, places = present.settings, present.orders.places
        self._story.summarise(now)
        name = self._node.get_fully_qualified_name().lstrip("/")
        engine = diagnostics.EngineView.of(present.asking.links)
        statuses = [diagnostics.engine_status(name, settings.model, engine)]
        for camera in present.cameras.values():
            if camera.images is not None:
                statuses.append(
                    diagnostics.input_status(
                        name, camera.topic, self.view(camera), settings.image_timeout, settings.max_result_age
                    )
                )
        quiet = now - max(present.since, present.answers.last_at or 0.0)
        statuses.append(diagnostics.answers_now(name, settings, places, present.asking.slots, present.answers, quiet))
        statuses += diagnostics.target_statuses(name, settings, places, present.states, now, present.since)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=statuses))
