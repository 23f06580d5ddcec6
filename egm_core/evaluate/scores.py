"""How one answer is scored: what it says, and how well its box fits the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from egm_core.boxes import Box, clip, iou, to_pixels
from egm_core.evaluate.queries import Query
from egm_core.families import Family, Mode
from egm_core.families.parts import THINK_CLOSE, THINK_OPEN

Outcome = Literal["found", "absent", "malformed"]
THRESHOLD = 0.5


@dataclass(frozen=True)
class Row:
    """A scored answer. `box` is in pixels of the query's image; IoUs are 0 without a box, None for absents.

    `iou` is with the box asked for, `iou_visible` and `iou_amodal` with either truth. `tokens` counts the whole
    answer, `thinking` the tokens before `</think>`, or all of them where the reasoning broke off (both None where the
    engine gives no tokens). `score` is the grounder's raw one, None for answers without a box or without
    log-probabilities.
    """

    query: Query
    outcome: Outcome
    reason: str
    box: Box | None
    iou: float | None
    iou_visible: float | None
    iou_amodal: float | None
    tokens: int | None = None
    thinking: int | None = None
    score: float | None = None

    def correct(self, strict: bool = False) -> bool:
        """Tell whether the answer is right: IoU at least 0.5 (`strict`: above), or absence recognised."""
        if self.iou is None:
            return self.outcome == "absent"
        return self.iou > THRESHOLD if strict else self.iou >= THRESHOLD


def score(query: Query, speaker: Family, text: str, mode: Mode = "paper", tokens: tuple[str, ...] | None = None) -> Row:
    """Read an answer and compare it with the truth.

    Absence is what the strict parser calls absence, for the paper's rules know none; a box is read in `mode`.
    A box outside the image counts as malformed.
    """
    strict = speaker.parse(text, sent=query.text)
    answer = strict if mode == "strict" or strict.kind == "absent" else speaker.parse(text, mode, sent=query.text)
    box: Box | None = None
    outcome: Outcome = "absent" if answer.kind == "absent" else "malformed"
    reason: str = answer.reason
    if answer.kind == "box" and answer.box is not None:
        box = clip(to_pixels(answer.box, query.width, query.height), query.width, query.height)
        if box[2] > box[0] and box[3] > box[1]:
            outcome = "found"
        else:
            box, reason = None, "no_overlap"
    row = row_of(query, outcome, box, reason, tokens)
    thinks = speaker.begins_inside_reasoning or THINK_OPEN in text
    if strict.kind == "invalid" and thinks and THINK_CLOSE not in text:
        return replace(row, thinking=row.tokens)
    return row


def row_of(
    query: Query, outcome: Outcome, box: Box | None, reason: str = "", tokens: tuple[str, ...] | None = None
) -> Row:
    """Give the row of an answer that has been read."""

    def fit(truth: Box | None) -> float | None:
        return None if truth is None else 0.0 if box is None else iou(box, truth)

    return Row(
        query,
        outcome,
        reason,
        box,
        fit(query.truth),
        fit(query.visible),
        fit(query.amodal),
        None if tokens is None else len(tokens),
        None if tokens is None else _thinking(tokens),
    )


def _thinking(tokens: tuple[str, ...]) -> int:
    """Count the tokens before the closing think tag, which may be spread over several; 0 without one."""
    text = ""
    for count, token in enumerate(tokens):
        text += token
        if THINK_CLOSE in text:
            return count
    return 0
