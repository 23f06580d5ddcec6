"""How one answer is scored: what it says, and how well its box fits the truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from egm_core.boxes import Box, clip, iou, to_pixels
from egm_core.evaluate.queries import Query
from egm_core.families import Family, Mode, official_pixels
from egm_core.families.base import Speaker
from egm_core.families.parts import THINK_CLOSE, THINK_OPEN
from egm_core.families.thinking import thought_length
from egm_core.grounder.scoring import Edges

Outcome = Literal["found", "absent", "malformed"]
THRESHOLD = 0.5


@dataclass(frozen=True)
class Row:
    """A scored answer. `box` is in pixels of the query's image; IoUs are 0 without a box, None for absents.

    `iou` is with the box asked for, `iou_visible` and `iou_amodal` with either truth. `tokens` counts the whole
    answer, `thinking` the tokens before `</think>`, or all of them where the reasoning broke off (both None where the
    engine gives no tokens). `score` is the grounder's raw one, `edges` has the log-probabilities of the box's numbers;
    both are None for answers without a box or without log-probabilities. `opening` has that of what comes before.
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
    edges: Edges | None = None
    opening: float | None = None

    def correct(self, strict: bool = False) -> bool:
        """Tell whether the answer is right: IoU at least 0.5 (`strict`: above), or absence recognised."""
        if self.iou is None:
            return self.outcome == "absent"
        return self.iou > THRESHOLD if strict else self.iou >= THRESHOLD


@dataclass(frozen=True)
class Reading:
    """What an answer says, whatever the truth: its outcome, what is wrong with it, and its box in pixels.

    `tokens` and `thinking` count as those of `Row` do.
    """

    outcome: Outcome
    reason: str
    box: Box | None
    tokens: int | None = None
    thinking: int | None = None


def read_answer(
    speaker: Speaker,
    text: str,
    sent: str,
    size: tuple[int, int],
    mode: Mode = "paper",
    tokens: tuple[str, ...] | None = None,
    whole_pixels: bool = False,
) -> Reading:
    """Read an answer about a picture of (width, height).

    Absence is what the strict parser calls absence, for the paper's rules know none; a box is read in `mode`.
    A box outside the image counts as malformed. With `whole_pixels` boxes are rounded as the released code does.
    """
    strict = speaker.parse(text, sent=sent)
    answer = strict if mode == "strict" or strict.kind == "absent" else speaker.parse(text, mode, sent=sent)
    box: Box | None = None
    outcome: Outcome = "absent" if answer.kind == "absent" else "malformed"
    reason: str = answer.reason
    if answer.kind == "box" and answer.box is not None:
        in_pixels = official_pixels(answer.box, *size) if whole_pixels else to_pixels(answer.box, *size)
        box = clip(in_pixels, *size)
        if box[2] > box[0] and box[3] > box[1]:
            outcome = "found"
        else:
            box, reason = None, "no_overlap"
    count = None if tokens is None else len(tokens)
    thinks = speaker.begins_inside_reasoning or THINK_OPEN in text
    broke_off = strict.kind == "invalid" and thinks and THINK_CLOSE not in text
    thinking = count if broke_off else None if tokens is None else thought_length(tokens) or 0
    return Reading(outcome, reason, box, count, thinking)


def score(query: Query, speaker: Family, text: str, mode: Mode = "paper", tokens: tuple[str, ...] | None = None) -> Row:
    """Read an answer, see `read_answer`, and compare it with the truth."""
    read = read_answer(speaker, text, query.text, (query.width, query.height), mode, tokens)
    row = row_of(query, read.outcome, read.box, read.reason)
    return replace(row, tokens=read.tokens, thinking=read.thinking)


def fit(box: Box | None, truth: Box | None) -> float | None:
    """Give the IoU of a box with a truth: 0 without a box, None without a truth."""
    return None if truth is None else 0.0 if box is None else iou(box, truth)


def row_of(query: Query, outcome: Outcome, box: Box | None, reason: str = "") -> Row:
    """Give the row of an answer that has been read."""
    return Row(query, outcome, reason, box, fit(box, query.truth), fit(box, query.visible), fit(box, query.amodal))
