"""A client of ~/ground and ~/ground_image for the tests: it keeps what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from egm_msgs.action import Ground
from egm_msgs.srv import GroundImage
from processes import PATIENCE, wait_for
from rclpy.action import ActionClient
from robot import Robot

WORDS = {
    GoalStatus.STATUS_SUCCEEDED: "succeeded",
    GoalStatus.STATUS_ABORTED: "aborted",
    GoalStatus.STATUS_CANCELED: "cancelled",
    GoalStatus.STATUS_UNKNOWN: "unknown",
}


class Goal:
    """A goal that was sent: what was fed back, and how it ended."""

    def __init__(self, robot: Robot, server: ActionClient, fields: dict[str, Any]) -> None:
        self.feedback: list[Ground.Feedback] = []
        self._robot = robot
        goal = Ground.Goal(**fields)
        self.handle = self._said(
            "the server's word on the goal",
            lambda: server.send_goal_async(goal, lambda message: self.feedback.append(message.feedback)),
        )
        assert self.handle.accepted
        self._ended = robot.spun(self.handle.get_result_async)

    def _said(self, what: str, ask: Callable[[], Any]) -> Any:
        answer = self._robot.spun(ask)
        wait_for(what, answer.done)
        return answer.result()

    @property
    def ended(self) -> bool:
        return self._ended.done()

    @property
    def states(self) -> list[str]:
        return [message.state for message in list(self.feedback)]

    def result(self, timeout: float = PATIENCE) -> tuple[str, Any]:
        """Wait for the end; gives the goal's state and its result."""
        wait_for("the goal's result", self._ended.done, timeout)
        return WORDS[self._ended.result().status], self._ended.result().result

    def header(self) -> Any:
        """Wait for the end; gives the header of the image that was answered."""
        return self.result()[1].visible.header

    def result_again(self) -> tuple[str, Any]:
        """Fetch the result once more."""
        again = self._said("the goal's result", self.handle.get_result_async)
        return WORDS[again.status], again.result

    def cancel(self) -> None:
        asked = self._said("the server's word on the cancelling", self.handle.cancel_goal_async)
        assert len(asked.goals_canceling) == 1, (asked, self.states, self.ended and self.result())


class Asker:
    """Sends goals and requests from a robot's node."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.client = ActionClient(robot.node, Ground, f"{robot.name}/ground")
        assert self.client.wait_for_server(PATIENCE), "no action ~/ground"

    def goal(self, instruction: str = "the mug", **fields: Any) -> Goal:
        return Goal(self.robot, self.client, {"instruction": instruction} | fields)

    def image(self, instruction: str = "the mug", **fields: Any) -> Any:
        """Call ~/ground_image; gives the response."""
        request = GroundImage.Request(instruction=instruction, **fields)
        return self.robot.call(GroundImage, "ground_image", request)


def edges(array: Any) -> list[list[float]]:
    """List the boxes of an array as x0, y0, x1, y1."""
    found = []
    for box in (detection.bbox for detection in array.detections):
        x, y = box.center.position.x, box.center.position.y
        found.append([x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2])
    return found
