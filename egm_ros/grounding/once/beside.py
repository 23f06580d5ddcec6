"""Asks single questions beside the stream, and hands back what their answers are worth."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header

from egm_core.grounder.grounder import Grounding
from egm_core.grounder.score_bound import bounded
from egm_core.targets.board import Place, Target
from egm_ros.common import messages
from egm_ros.common.mail import Mail
from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.nodes.transitions import to_active
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.outcomes import Result, nothing_fits
from egm_ros.grounding.asking.way import Query
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.once import one_shot
from egm_ros.grounding.once.question import Question
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling import diagnostics

# The camera of an image that came with its question; no camera can have this name.
GIVEN = "(given)"


@dataclass(frozen=True)
class Answer:
    """What became of a question; the header is the image's, and empty where none was looked at."""

    question: Question
    grounding: Grounding
    header: Header
    seconds: float

    @property
    def answered(self) -> bool:
        """Whether there is an answer, be it that nothing fits."""
        return self.grounding.outcome in ("found", "absent")

    def into(self, message: Any) -> Any:
        """Write it into a result of the action, or a response of the service."""
        grounding = self.grounding
        message.outcome, message.reason, message.detail = grounding.outcome, grounding.reason, grounding.detail
        if grounding.outcome == "absent" and not grounding.detail:
            message.detail = nothing_fits(self.question.instruction)
        message.warnings = list(grounding.warnings)
        message.deadline_missed = grounding.missed
        message.engine_ms, message.total_ms = grounding.engine_ms, 1000.0 * self.seconds
        message.visible, message.amodal = boxes(self.header, self.question, grounding)
        return message


def boxes(header: Header, question: Question, grounding: Grounding) -> tuple[Any, Any]:
    """Make the visible and the amodal array of an answer; the ids begin with 0, which no target of the stream has."""
    return messages.detections(header, 0, question.instruction, grounding)


class Beside:
    """Asks; the executor's thread alone calls it, and is called back.

    `view` tells how a camera's images come, `mail` brings answers to the executor's thread.
    """

    def __init__(
        self,
        node: BaseNode,
        present: Present,
        mail: Mail,
        view: Callable[[Camera], diagnostics.InputView],
    ) -> None:
        self._node, self._present, self._mail, self._view = node, present, mail, view

    def obstacle(self, instruction: str, camera: str, crowded: bool, given: bool = False) -> Grounding | None:
        """Say why this cannot be asked about a camera's newest image now, or about one that is `given`."""
        present = self._present
        inactive = "" if present.orders.active else to_active(self._node)
        told = one_shot.obstacle(inactive, instruction, [link.state for link in present.asking.links])
        seen = present.cameras.get(camera)
        if told is not None:
            return told
        if present.asking.way is None or (seen is None and not given):
            # An active node has a way and its cameras.
            return one_shot.failure("internal_error", "the node is active, and asks nothing")
        if not given and seen is not None and seen.newest is None:
            return one_shot.failure("no_image", diagnostics.silence(self._view(seen)))
        if crowded:
            return one_shot.failure("busy", "many such calls wait already; call again when they are answered")
        return None

    def ask(
        self,
        question: Question,
        done: Callable[[Answer], None],
        begun: Callable[[], None] | None = None,
        heard: Callable[[Header, Grounding], None] | None = None,
    ) -> Callable[[], None]:
        """Ask a question; `done` gets the answer, at once where it cannot be asked. Gives what aborts it.

        `begun` is told when its turn has come, `heard` gets the first box ahead of the rest.
        """
        began, present = time.monotonic(), self._present
        settings, way, given = present.settings, present.asking.way, question.image is not None
        name = GIVEN if given else question.named(settings.cameras)
        told = question.problem(settings) or self.obstacle(
            question.instruction, name, way is not None and way.crowded, given
        )
        if told is not None or way is None:
            done(Answer(question, told or one_shot.failure("internal_error", "no way"), Header(), 0.0))
            return _nothing
        settings = question.on(settings)
        frame = Frame(question.image, began, GIVEN) if given else present.cameras[name].newest
        assert frame is not None

        def conclude(result: Result) -> None:
            now, age = time.monotonic(), present.age(result.frame)
            grounding = one_shot.conclude(result, now - result.started, age, settings)
            done(Answer(question, grounding, result.frame.message.header, now - began))

        def told_first(first: Grounding) -> None:
            bound = bounded(first, settings.min_score)
            if heard is not None and bound.outcome == "found":
                heard(frame.message.header, bound)

        def post(result: Result) -> None:
            self._mail.post(lambda: conclude(result))

        way.shoot(
            Query(
                Place(name, Target(0, 0, question.instruction)),
                frame,
                post,
                kept=given,
                settings=settings,
                begun=None if begun is None else functools.partial(self._mail.post, begun),
                heard=None if heard is None else lambda first: self._mail.post(lambda: told_first(first)),
            )
        )
        return lambda: way.drop(post)


def _nothing() -> None:
    """Abort what has ended already."""
