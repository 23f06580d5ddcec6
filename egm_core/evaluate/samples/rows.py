"""Scored answers to questions of samples, and how they are written and read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from egm_core.asking.job import Answer
from egm_core.boxes import Box
from egm_core.evaluate.samples.asking import Outcome, Planned
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.wording import length, wordings
from egm_core.evaluate.scores import Reading, fit, read_answer
from egm_core.families import Mode
from egm_core.families.base import Speaker, split_reasoning
from egm_core.grounder.grounder import token_score

Said = Literal["found", "absent", "malformed", "failed"]


@dataclass(frozen=True)
class Scored:
    """One question and what came of it; `iou` is 0 without a box, and None where the object is absent.

    `failed` is a question that no answer came to, and counts as wrong. `picture` is the hash of the pixels that were
    sent. `seconds` is how long the answer took, `score` the grounder's raw one, `finish` why it ended.
    """

    question: Question
    outcome: Said
    reason: str
    box: Box | None
    iou: float | None
    picture: str = ""
    text: str = ""
    tokens: int | None = None
    thinking: int | None = None
    score: float | None = None
    seconds: float | None = None
    finish: str = ""

    @property
    def cut(self) -> bool:
        """Whether the answer reached its longest length, whatever was read of it."""
        return self.finish == "length"

    def reaches(self, threshold: float, at_least: bool = False) -> bool:
        """Tell whether the box fits better than a threshold, or just as well with `at_least`; or absence was seen."""
        if self.iou is None:
            return self.outcome == "absent"
        return self.iou >= threshold if at_least else self.iou > threshold

    @property
    def truth(self) -> Box | None:
        """The box asked for."""
        return self.question.truth


@dataclass(frozen=True)
class Rules:
    """How answers are read: by which rules, and whether boxes are rounded to whole pixels as released code does."""

    speaker: Speaker
    mode: Mode
    whole_pixels: bool = False


def scored(planned: Iterable[Planned], outcome: Outcome, rules: Rules) -> list[Scored]:
    """Score every question that was asked, or could not be; those beyond the budget are left out."""
    rows = []
    for one in planned:
        if one.job is None:
            rows.append(_failed(one, f"picture: {one.wrong}"))
        elif answer := outcome.answers.get(one.job.key):
            rows.append(_row(one, answer, rules))
        elif one.job.key in outcome.failed:
            rows.append(_failed(one, outcome.failed[one.job.key]))
    return rows


def _failed(one: Planned, why: str) -> Scored:
    return Scored(one.question, "failed", why, None, fit(None, one.question.truth), one.picture.digest)


def _row(one: Planned, answer: Answer, rules: Rules) -> Scored:
    sample = one.question.sample
    tokens = tuple(token.text for token in answer.tokens) or None
    size = (sample.width, sample.height)
    speaker = rules.speaker.seeing(*one.picture.sent)
    read: Reading = read_answer(speaker, answer.text, sample.sent, size, rules.mode, tokens, rules.whole_pixels)
    score, known = token_score(answer.completion, speaker.parse(answer.text, sent=sample.sent))
    return Scored(
        one.question,
        read.outcome,
        read.reason,
        read.box,
        fit(read.box, one.question.truth),
        one.picture.digest,
        answer.text,
        read.tokens,
        read.thinking,
        score if known else None,
        answer.seconds or None,
        answer.finish,
    )


def record(row: Scored, at_least: bool) -> dict[str, Any]:
    """Give a row as JSON values; the names are those of generated scenes' results where they mean the same."""
    question, sample = row.question, row.question.sample
    return {
        "id": question.name,
        "seed": question.cluster,
        "image": sample.picture,
        "image_id": sample.image_id,
        "category": sample.category,
        "task": question.task,
        "kind": wordings(sample.sent)[0],
        "kinds": wordings(sample.sent),
        "text": sample.sent,
        "dataset": sample.source,
        "split": sample.split,
        "column": question.split,
        "world": sample.world,
        "expression_kind": sample.expression_kind,
        "words": length(sample.sent),
        "size": question.size,
        "hiding": question.hiding,
        "seen": question.seen,
        "distractors": question.distractors,
        "width": sample.width,
        "height": sample.height,
        "outcome": row.outcome,
        "reason": row.reason,
        "correct": row.reaches(0.5, at_least),
        "iou": row.iou,
        "overlap": question.overlap,
        "box": row.box,
        "truth": row.truth,
        "visible": question.visible,
        "answer": row.text,
        "reasoning": split_reasoning(row.text)[0],
        "tokens": row.tokens,
        "thinking": row.thinking,
        "score": row.score,
        "seconds": row.seconds,
        "finish": row.finish,
        "picture": row.picture,
    }
