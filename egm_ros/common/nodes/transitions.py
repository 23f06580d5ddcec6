"""Lifecycle transitions that never fail in silence: rclpy itself swallows what goes wrong in one, or ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from egm_core.supervise.plan import SetupError

# The reason of a transition that the present state does not have.
REFUSED = "transition_refused"


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
            asked = request.transition.label or request.transition.id
            node.report_failure(REFUSED, f"{asked}: {error}")
            response.success = False
            return response

    service.callback = guarded
