"""What becomes of an answer: found, absent, stale or error, decided at the moment of publishing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from egm_core.grounder.grounder import Grounding
from egm_core.grounder.score_bound import LOW_SCORE, bounded, held_against_raw
from egm_core.targets.board import Place, Target
from egm_ros.grounding.asking.frames import Frame
from egm_ros.interface.settings import Settings

Outcome = Literal["found", "absent", "stale", "error", ""]

EXPLANATIONS = {
    "instruction_changed": "the instruction changed while the engine worked",
    "disabled": "querying was disabled while the engine worked",
    "deactivated": "the node was deactivated while the engine worked",
    "reset": "the instruction was reset while the engine worked",
    "query_timeout": "the answer took longer than query_timeout",
    "max_result_age": "the image is older than max_result_age",
    "time_went_back": "time went back on the camera's topic while the engine worked",
}
REMEDIES = {
    "query_timeout": "raise query_timeout or lower max_pixels",
    "max_result_age": "see why images come late, or raise max_result_age",
    "cancelled": "the node was deactivated meanwhile; activate it and call again",
    "engine_died": "it is started anew, and ~/status says engine_ready when it is there",
}


@dataclass(frozen=True)
class Result:
    """One query as the way hands it back: an answer, or the reason why there is none.

    Times are milliseconds; `started` is monotonic seconds, and `deadline` seconds from then (0: none).  `size` is the
    decoded image's width and height in pixels.
    """

    target: Target
    frame: Frame
    started: float
    queue_ms: float
    grounding: Grounding | None = None
    reason: str = ""
    detail: str = ""
    size: tuple[int, int] = (0, 0)
    deadline: float = 0.0

    @property
    def place(self) -> Place:
        """What was asked, of which camera."""
        return Place(self.frame.camera, self.target)


@dataclass(frozen=True)
class Verdict:
    """An outcome and its reason, with a sentence for a person; `doubtful`: it works, but look at it.

    `grounding` is the answer with what is left of its boxes: those that may be published. `kind` is what it is counted
    as: a box that was taken back is not one that the model called absent. `missed`: it came after the deadline.
    """

    outcome: Outcome
    reason: str
    message: str
    doubtful: bool = False
    grounding: Grounding | None = None
    missed: bool = False

    @property
    def kind(self) -> str:
        """The outcome, or why an answer was taken back."""
        return self.reason if self.outcome == "absent" and self.reason else self.outcome


def remedied(verdict: Verdict) -> str:
    """Say what was wrong and what helps."""
    remedy = REMEDIES.get(verdict.reason, "")
    return f"{verdict.message}; {remedy}" if remedy and remedy not in verdict.message else verdict.message


def nothing_fits(instruction: str) -> str:
    """Say that the model found nothing."""
    return f"nothing in the image fits: {instruction}"


def outdated(age: float, settings: Settings) -> bool:
    """Tell whether an image of this age in seconds is too old to be asked about, or its answer to be published."""
    return bool(settings.max_result_age) and age > settings.max_result_age


def judge(result: Result, void: str, elapsed: float, age: float, settings: Settings) -> Verdict:
    """Decide what a result is worth now, by every limit of time, age and score.

    `void` says why its target is asked no more (empty: it is); `elapsed` counts seconds since the query started, `age`
    since the image's stamp.
    """
    grounding = result.grounding and bounded(result.grounding, settings.min_score)
    verdict = _judged(replace(result, grounding=grounding), void, elapsed, age, settings)
    missed = _missed(result, verdict, elapsed)
    if grounding is not None:
        grounding = replace(grounding, missed=missed)
        if verdict.outcome not in ("found", "absent"):
            grounding = grounding.holding(())
    if missed and verdict.outcome in ("found", "absent"):
        words = f"{verdict.message}; {elapsed - result.deadline:.3g} s after its deadline, its image is {age:.3g} s old"
        verdict = replace(verdict, message=words, doubtful=True)
    return replace(verdict, grounding=grounding, missed=missed)


def _missed(result: Result, verdict: Verdict, elapsed: float) -> bool:
    """Tell whether an answer that somebody still waits for comes after its deadline, or not at all."""
    superseded = verdict.outcome == "stale" and verdict.reason != "query_timeout"
    return bool(result.deadline) and elapsed > result.deadline and not superseded


def _judged(result: Result, void: str, elapsed: float, age: float, settings: Settings) -> Verdict:
    def stale(reason: str) -> Verdict:
        return Verdict("stale", reason, EXPLANATIONS.get(reason, reason))

    if void:
        return stale(void)
    if result.reason == "time_went_back":
        return stale(result.reason)
    grounding = result.grounding
    reason = result.reason or (grounding.reason if grounding and grounding.outcome == "error" else "")
    if reason == "timeout" or (not result.reason and elapsed > settings.query_timeout):
        limit = f" ({elapsed:.3g} of {settings.query_timeout:g} s)"
        return Verdict("stale", "query_timeout", EXPLANATIONS["query_timeout"] + limit)
    if reason == "max_result_age" or (not reason and outdated(age, settings)):
        limit = f"{EXPLANATIONS['max_result_age']} ({settings.max_result_age:g} s)"
        return Verdict(
            "stale",
            "max_result_age",
            f"{limit}: {age:.3g} s" + ("; with a bag or a simulation, set use_sim_time" if age > 3600.0 else ""),
        )
    if grounding is None or grounding.outcome == "error":
        detail = result.detail or (grounding.detail if grounding else "")
        return Verdict("error", reason or "no_answer", detail or f"no usable answer: {reason}")
    if grounding.outcome == "absent":
        return Verdict(
            "absent",
            grounding.reason,
            grounding.detail or nothing_fits(result.target.instruction),
            grounding.reason == LOW_SCORE and held_against_raw(grounding),
        )
    objects = f" {len(grounding.objects)}" if grounding.further else ""
    return Verdict("found", "", f"found{objects}: {result.target.instruction}")
