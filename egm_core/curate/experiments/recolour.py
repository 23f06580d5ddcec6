"""The same question with a frame of another colour: a colour word that follows the frame gives the drawing away."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from egm_core.asking.job import Answer
from egm_core.curate.colours import kin
from egm_core.curate.prompts import AmodalReasoning, Malformed, Reasoning, parsed
from egm_core.curate.reason.again import Ask
from egm_core.curate.reason.questions import Asking, Question, question, questions, together
from egm_core.curate.rules.judge import judge
from egm_core.data.phrases import plain, words
from egm_core.evaluate.statistics import wilson
from egm_core.sample import Sample

_log = logging.getLogger("egm.curate")


@dataclass(frozen=True)
class Pair:
    """Two traces of one object, whose frame had another colour each time."""

    question: Question
    colours: tuple[str, str]
    traces: tuple[str, str]

    @property
    def names(self) -> tuple[bool, bool]:
        """Whether each trace names the colour of its own frame."""
        return names(self.traces[0], self.colours[0]), names(self.traces[1], self.colours[1])

    @property
    def crossed(self) -> tuple[bool, bool]:
        """Whether each trace names the other frame's colour, which it can have from the scene alone."""
        return names(self.traces[0], self.colours[1]), names(self.traces[1], self.colours[0])

    @property
    def follows(self) -> bool:
        """Whether a colour word of the trace changed with the frame."""
        return any(own and not other for own, other in zip(self.names, reversed(self.crossed), strict=True))


def names(trace: str, colour: str) -> bool:
    """Tell whether a trace has a name of a colour."""
    spoken = set(words(plain(trace)))
    return any(set(name.split()) <= spoken for name in kin(colour))


def recoloured(
    samples: Sequence[Sample], asking: Asking, ask: Ask, only: Set[int] | None = None, others: Sequence[Sample] = ()
) -> list[Pair]:
    """Ask about samples with two colours each; answers that are none are left out."""
    first = list(questions(samples, asking, only, others))
    second: list[Question] = []
    near = together((*samples, *others))
    for one in first:
        # Neighbours' words are among the facts, so the second colour is theirs as little as the first.
        apart = replace(asking, apart_from=(*asking.apart_from, one.facts.frame_colour))
        second.append(question(one.number, one.sample, near[one.sample.picture], apart))
    jobs = {question.job.key: question.job for question in (*first, *second)}
    came = {job.key: answer for job, answer in ask(jobs.values())}
    pairs, lost = [], 0
    for one, other in zip(first, second, strict=True):
        traces = [_trace(question, came.get(question.job.key)) for question in (one, other)]
        lost += not all(traces)
        if traces[0] and traces[1]:
            pairs.append(Pair(one, (one.facts.frame_colour, other.facts.frame_colour), (traces[0], traces[1])))
    if lost and any(not answer.error for answer in came.values()):
        _log.warning("%d of %d samples lack an answer of the form that was asked for: left out", lost, len(first))
    return pairs


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Count the traces that follow the frame: all of them, and those that the rules would have kept."""
    passed = [pair for pair in pairs if not any(_found(pair, turn) for turn in (0, 1))]
    return {"all": _counts(pairs), "passed_rules": _counts(passed)}


def table(found: dict[str, Any]) -> str:
    """Write the counts for a terminal."""
    lines = [f"{'traces':14} {'pairs':>6} {'follow':>7}   95 % interval    name their frame   name the other"]
    for name, count in found.items():
        low, high = count["interval"]
        share = f"{low:.1%} to {high:.1%}"
        lines.append(
            f"{name.replace('_', ' '):14} {count['pairs']:>6} {count['follow']:>7}   {share:16} "
            f"{count['own_colour']:>16}   {count['other_colour']:>14}"
        )
    return "\n".join(lines)


def _counts(pairs: Sequence[Pair]) -> dict[str, Any]:
    follow = sum(pair.follows for pair in pairs)
    return {
        "pairs": len(pairs),
        "follow": follow,
        "interval": wilson(follow, len(pairs)),
        "own_colour": sum(sum(pair.names) for pair in pairs),
        "other_colour": sum(sum(pair.crossed) for pair in pairs),
    }


def _found(pair: Pair, turn: int) -> bool:
    return bool(judge(pair.traces[turn], replace(pair.question.facts, frame_colour=pair.colours[turn])))


def _trace(question: Question, answer: Answer | None) -> str:
    if answer is None or answer.error:
        return ""
    try:
        said = parsed(answer.text, question.prompt.form)
    except Malformed:
        return ""
    assert isinstance(said, Reasoning | AmodalReasoning)
    return said.reasoning
