"""How a launch ends: with its grounding node, with a status that tells, and at once when it is interrupted."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from launch import LaunchContext, LaunchDescriptionEntity
from launch.actions import RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit, OnShutdown
from launch_ros.actions import Node

# Of a node that was given something it cannot take; starting it anew would change nothing.
REFUSED = 2


def with_node(node: Node, name: str, respawn: bool) -> LaunchDescriptionEntity:
    """End the launch when a node ends, unless that is started anew; the launch's exit status then is 1, or 0 if the
    node's was."""

    def ended(event: Any, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown or (respawn and event.returncode != REFUSED):
            return None
        if event.returncode == 0:
            return [Shutdown(reason=f"the {name} node has ended")]
        end = f"by signal {-event.returncode}" if event.returncode < 0 else f"with exit status {event.returncode}"
        # `ros2 launch` ends with status 1 where an action fails, and in no other way.
        raise RuntimeError(f"the {name} node ended {end}, so the launch ends (on_exit:=ignore keeps the others)")

    return RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))


def on_interrupt(nodes: Sequence[Node]) -> LaunchDescriptionEntity:
    """Hand an interrupt on to the nodes.

    `ros2 launch` takes it that the terminal has done so; where there is none, it would wait for `sigterm_timeout`.
    """

    def interrupted(event: Any, context: LaunchContext) -> None:
        if not event.due_to_sigint or context.noninteractive:
            return
        for node in nodes:
            details = node.process_details
            if details and "pid" in details and node.return_code is None:
                with suppress(ProcessLookupError):
                    os.kill(details["pid"], signal.SIGINT)

    return RegisterEventHandler(OnShutdown(on_shutdown=interrupted))
