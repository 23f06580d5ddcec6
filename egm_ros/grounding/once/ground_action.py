"""The action ~/ground: one question with feedback, which can be cancelled, beside the stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from egm_msgs.action import Ground
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.task import Future

from egm_core.grounder.grounder import Grounding
from egm_ros.common.nodes.base import BaseNode
from egm_ros.grounding.once.beside import Beside, boxes
from egm_ros.grounding.once.one_shot import failure
from egm_ros.grounding.once.question import Question
from egm_ros.interface import grounding as interface

# Seconds for which the result of a goal that has ended can be fetched.
KEPT = 10
CANCELLED = failure("cancelled", "the goal was cancelled, and the engine's work on it aborted")


@dataclass(eq=False)
class _Goal:
    """A goal under way: its answer to come, what aborts it, and what ended it ahead of its answer."""

    handle: ServerGoalHandle
    question: Question
    coming: Future = field(default_factory=Future)
    abort: Callable[[], None] = field(default=lambda: None)
    ended_by: Grounding | None = None


class GroundAction:
    """Serves the action."""

    def __init__(self, node: BaseNode, beside: Beside, services: CallbackGroup) -> None:
        self._beside = beside
        self._goals: dict[bytes, _Goal] = {}
        ActionServer(
            node,
            Ground,
            interface.GROUND.name,
            self._execute,
            callback_group=services,
            handle_accepted_callback=self._on_goal,
            cancel_callback=self._on_cancel,
            result_timeout=KEPT,
        )

    def _on_goal(self, handle: ServerGoalHandle) -> None:
        """Begin to answer a goal, whatever is wrong with it: to one that is rejected, ROS 2 lets nothing be said.

        This is called in the order in which goals come, which executing them need not keep.
        """
        self._preempt(handle.request.client)
        goal = self._goals[_key(handle)] = _Goal(handle, Question.of(handle.request))
        self._tell(goal, Ground.Feedback.WAITING)
        goal.abort = self._beside.ask(
            goal.question,
            goal.coming.set_result,
            begun=lambda: self._tell(goal, Ground.Feedback.ASKING),
            heard=lambda header, first: self._tell(
                goal, Ground.Feedback.FIRST_BOX, boxes(header, goal.question, first)[0]
            ),
        )
        handle.execute()

    async def _execute(self, handle: ServerGoalHandle) -> Any:
        goal = self._goals[_key(handle)]
        answer = await goal.coming
        del self._goals[_key(handle)]
        ended_by = CANCELLED if handle.is_cancel_requested else goal.ended_by
        if ended_by is not None:
            answer = replace(answer, grounding=ended_by)
        if handle.is_cancel_requested:
            handle.canceled()
        elif answer.answered:
            handle.succeed()
        else:
            handle.abort()
        return answer.into(Ground.Result())

    def _preempt(self, client: str) -> None:
        """End the goals of a client that has another one now; one without a name ends none."""
        for goal in self._goals.values():
            if client and goal.handle.request.client == client:
                goal.ended_by = failure("preempted", f"a newer goal of the client {client!r} has taken its place")
                goal.abort()

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        self._goals[_key(handle)].abort()
        return CancelResponse.ACCEPT

    def _tell(self, goal: _Goal, state: str, first: Any = None) -> None:
        feedback = Ground.Feedback(state=state)
        if first is not None:
            feedback.first = first
        if not goal.coming.done():
            goal.handle.publish_feedback(feedback)


def _key(handle: ServerGoalHandle) -> bytes:
    return bytes(handle.goal_id.uuid)
