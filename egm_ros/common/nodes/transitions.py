"""Lifecycle transitions that never fail in silence: rclpy itself swallows what goes wrong in one, or ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from egm_core.supervise.plan import SetupError

# The reason of a transition that the present state does not have.
REFUSED = "transition_refused"
NAMES = {
    Transition.TRANSITION_CONFIGURE: "configure",
    Transition.TRANSITION_CLEANUP: "cleanup",
    Transition.TRANSITION_ACTIVATE: "activate",
    Transition.TRANSITION_DEACTIVATE: "deactivate",
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: "shutdown",
    Transition.TRANSITION_INACTIVE_SHUTDOWN: "shutdown",
    Transition.TRANSITION_ACTIVE_SHUTDOWN: "shutdown",
}


class Reporter(Protocol):
    """A node that tells of failures."""

    def report_failure(self, reason: str, detail: str) -> None:
        """Log a failure and publish it."""


def reported(transition: Callable[[Any, LifecycleState], Any]) -> Callable[[Any, LifecycleState], Any]:
    """Report what goes wrong in a transition; rclpy itself swallows it without a word."""

    @functools.wraps(transition)
    def guarded(node: Reporter, state: LifecycleState) -> Any:
        reason = transition.__name__.removeprefix("on_") + "_failed"
        try:
            return transition(node, state)
        except SetupError as error:
            node.report_failure(reason, str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # the callback's edge
            node.report_failure(reason, f"{type(error).__name__}: {error}")
            return TransitionCallbackReturn.ERROR

    return guarded


def refuse_impossible(node: Any) -> None:
    """Answer a transition that the present state does not have; in rclpy 7 such a request ends the process."""
    service = getattr(node, "_service_change_state", None)
    if service is None:
        return
    change = service.callback

    def guarded(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as error:  # the callback's edge
            node.report_failure(REFUSED, refusal(node, request.transition) or f"{request.transition.id}: {error}")
            response.success = False
            return response

    service.callback = guarded


def refusal(node: Any, asked: Transition) -> str:
    """Say that a node's state does not have a transition, and which it has; empty where it has it."""
    state, possible = node._state_machine.current_state[1], node._state_machine.available_transitions
    if any(asked.label == label or (not asked.label and asked.id == number) for number, label, *_ in possible):
        return ""
    named = asked.label or NAMES.get(asked.id, f"transition {asked.id}")
    there = [label for _, label, *_ in possible]
    if not there:
        return f"{named} is not possible, for the node is {state} for good; start its process again"
    first = f"ros2 lifecycle set {node.get_fully_qualified_name()} {there[0]}"
    return f"{named} is not possible, for the node is {state}; possible now: {', '.join(there)} ({first})"


def to_active(node: Any) -> str:
    """Say what makes a node active that is not."""
    state, name = node._state_machine.current_state[1], node.get_fully_qualified_name()
    first = f"ros2 lifecycle set {name}"
    if state == "finalized":
        return "it was shut down for good; start its process again"
    steps = f"{first} configure, then {first} activate" if state == "unconfigured" else f"{first} activate"
    return f"activate it: {steps}"
