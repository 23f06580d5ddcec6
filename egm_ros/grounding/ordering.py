"""Takes orders from topics and services, and passes each change on: to the way, and to who listens."""

from __future__ import annotations

import functools
import time
from typing import Any

from rclpy.callback_groups import CallbackGroup
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from egm_core.targets.lines import read, written
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling.reports import Served
from egm_ros.grounding.telling.status import Status
from egm_ros.grounding.telling.story import Story
from egm_ros.interface import grounding as interface


class Ordering:
    """The topics of instructions, ~/enable and ~/reset; the executor's thread alone calls it."""

    def __init__(self, node: BaseNode, present: Present, status: Status, story: Story, services: CallbackGroup) -> None:
        self._node, self._present, self._status, self._story = node, present, status, story
        # Without a name: those for all, or for the one camera that has none.
        self._askers = tuple(dict.fromkeys(("", *present.settings.cameras)))
        open_active = functools.partial(node.open_publisher, String, interface.OWN_ACTIVE)
        self._served = Served({name: open_active(name) for name in self._askers})
        self._instructions: list[Any] = []
        node.create_service(SetBool, interface.ENABLE.name, self._on_enable, callback_group=services)
        node.create_service(Trigger, interface.RESET.name, self._on_reset, callback_group=services)

    def listen(self) -> None:
        """Take instructions."""
        for name in self._askers:
            callback = functools.partial(self._on_instruction, name)
            self._instructions.append(self._node.open_subscription(String, interface.OWN_INSTRUCTION, callback, name))

    def rest(self) -> None:
        """Take no instructions any more."""
        for subscription in self._instructions:
            self._node.destroy_subscription(subscription)
        self._instructions = []

    def activate(self, active: bool) -> None:
        """Follow the node's lifecycle."""
        self._passed(self._present.orders.activate(active))

    def set_default(self, changed: bool = True) -> None:
        """Take the default of the settings of now; where they `changed` and something else is served, say so."""
        orders, lines = self._present.orders, self._present.settings.lines
        self._passed(orders.set_default(lines))
        if changed and lines and orders.instructed and written(lines) != orders.instruction:
            node, topic = self._node, self._node.resolve_topic_name(interface.INSTRUCTION.name)
            call = f"ros2 service call {node.get_fully_qualified_name()}/reset std_srvs/srv/Trigger"
            node.notices.seldom(
                "default",
                f"the new default is not served before ~/reset, for {topic} gave another instruction: {call}",
                "info",
            )

    def _on_instruction(self, camera: str, message: String) -> None:
        """Take the lines for a camera, or for all; too many of them leave those before in force."""
        name = interface.OWN_INSTRUCTION.of(camera)
        try:
            given = read(message.data, name)
        except ValueError as error:
            self._status.failure("too_many_lines", f"{error}; the lines before are served on", camera)
            return
        self._node.notices.seldom(("left out", name), given.left_out)
        self._passed(self._present.orders.instruct(given.lines, camera))

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._passed(self._present.orders.enable(request.data))
        response.success, response.message = True, "enabled" if request.data else "disabled"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        orders = self._present.orders
        self._passed(orders.reset(self._present.settings.lines))
        response.success, response.message = True, f"instruction: {orders.instruction!r}"
        return response

    def _passed(self, changed: bool) -> None:
        """Pass a change of orders on: to the way, which aborts the running query, and to who listens."""
        if not changed:
            return
        present, orders = self._present, self._present.orders
        images = [camera.topic for camera in present.cameras.values()]
        self._story.ordered(orders, images, self._node.resolve_topic_name(interface.INSTRUCTION.name))
        if present.asking.way is not None:
            present.asking.way.order(orders.places)
        present.states = present.states.serving(orders.known)
        present.since = time.monotonic()
        for camera in present.cameras.values():
            camera.came(present.since)
        self._served.tell(orders.served)
