"""What the nodes that follow a camera and a grounding node are made of: their states, and what /diagnostics says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from egm_ros.common.messages import status
from egm_ros.common.nodes.managed import ManagedNode
from egm_ros.common.nodes.transitions import REFUSED, reported
from egm_ros.interface import following
from egm_ros.interface.topic import Topic

PERIOD = 1.0


class FollowerNode(ManagedNode, ABC):
    """A lifecycle node that listens and publishes while it is active, and says once a second how it is.

    `opened` makes its publishers by `utter`, `listen` subscribes, `rest` leaves and forgets; `inputs_status` tells of
    what comes. What it makes of that it notes by `did`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.active = False
        self._uttered: list[Any] = []
        self._did: Counter[str] = Counter()
        self._last: tuple[bytes, str] | None = None
        self._failure = ""
        self._health = self.open_publisher(DiagnosticArray, following.DIAGNOSTICS)
        self.every(PERIOD, self._on_diagnose)

    # What each follower has of its own.

    @abstractmethod
    def opened(self) -> None:
        """Make the publishers, by `utter`."""

    @abstractmethod
    def listen(self) -> None:
        """Begin to follow."""

    @abstractmethod
    def rest(self) -> None:
        """Leave the inputs, and forget what came on them."""

    @abstractmethod
    def inputs_status(self) -> tuple[bytes, str, dict[str, object]]:
        """Tell how the inputs are: level, words, and what came on each."""

    def utter(self, kind: Any, topic: Topic) -> Any:
        """Publish a topic while the node is active, until it is cleaned up."""
        self._uttered.append(self.speak(kind, topic))
        return self._uttered[-1]

    def did(self, what: str, level: bytes = DiagnosticStatus.OK, words: str = "") -> None:
        """Note what became of an input, and how that was."""
        self._did[what] += 1
        self._last = level, words or what

    def survive(self, error: Exception) -> None:
        """Report what went wrong in a callback, and go on: a message that nobody foresaw ends no robot's node."""
        told = f"internal_error: {type(error).__name__}: {error}"
        self.notices.seldom("internal_error", f"{told}; one message was not taken in", "error")
        self.did("internal_error", DiagnosticStatus.ERROR, told)

    # Lifecycle.

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make what is published."""
        self._did, self._last, self._failure = Counter(), None, ""
        self.opened()
        return super().on_configure(state)

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to follow."""
        result = super().on_activate(state)
        self.active, self._failure = True, ""
        self.listen()
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Leave the inputs and forget what came on them."""
        self._rest()
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._free()
        return super().on_cleanup(state)

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything for good."""
        self._free()
        return super().on_shutdown(state)

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a failed transition, so that the node can be configured again."""
        self._free()
        return super().on_error(state)

    def report_failure(self, reason: str, detail: str) -> None:
        """Log what failed, and tell it on /diagnostics until a transition succeeds; a refused one did nothing."""
        super().report_failure(reason, detail)
        if reason != REFUSED:
            self._failure = f"{reason}: {detail}"

    def _rest(self) -> None:
        if self.active:
            self.active = False
            self.rest()

    def _free(self) -> None:
        self._rest()
        for publisher in self._uttered:
            self.destroy_lifecycle_publisher(publisher)
        self._uttered = []

    # Diagnostics.

    def _on_diagnose(self) -> None:
        array = DiagnosticArray(status=[self._state_row(), self._inputs_row(), self._output_row()])
        array.header.stamp = self.get_clock().now().to_msg()
        self._health.publish(array)

    def _row(self, what: str, level: bytes, words: str, values: dict[str, object]) -> DiagnosticStatus:
        name = self.get_fully_qualified_name().lstrip("/")
        return status(f"{name}: {what}", "", level, words, values)

    def _state_row(self) -> DiagnosticStatus:
        """Say whether the node works, or why not."""
        label = "active" if self.active else "inactive" if self._uttered else "unconfigured"
        level = DiagnosticStatus.OK if self.active else DiagnosticStatus.WARN
        level = DiagnosticStatus.ERROR if self._failure else level
        return self._row("state", level, self._failure or label, {"state": label})

    def _inputs_row(self) -> DiagnosticStatus:
        if not self.active:
            return self._row("inputs", DiagnosticStatus.STALE, "the node is not active", {})
        return self._row("inputs", *self.inputs_status())

    def _output_row(self) -> DiagnosticStatus:
        """Say what became of the inputs, the last one first."""
        level, words = self._last or (DiagnosticStatus.OK, "nothing yet")
        if not self.active:
            level, words = DiagnosticStatus.STALE, "the node is not active"
        return self._row("output", level, words, dict(sorted(self._did.items())))
