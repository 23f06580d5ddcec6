"""How the authors' released code reads a box from an answer, and scales it to pixels.

Figures are comparable with the paper's only under the same rules, and those of the reward (`compute_score`) and
of the evaluation script differ. Both are lenient: numbers of the reasoning count where nothing better is found.
The node reads answers strictly instead. Source: github.com/zgq1879/EGM, verl/verl/utils/reward_score/grounding.py
and verl/scripts/sglang_infer.py; the rules are theirs, the code is not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from egm_core.boxes import FRAME, Box

_REWARD_NUMBER = re.compile(r"[-+]?\d*\.?\d+")
_BRACKETED = re.compile(r"\[([^\[\]]+)\]")
_ANSWER_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_ANSWER_CLOSE = re.compile(r"</answer>", re.IGNORECASE)

_NUMBER = r"[+-]?(?:\d*\.\d+|\d+)(?:[eE][+-]?\d+)?"
_EVALUATION_NUMBER = re.compile(_NUMBER)
_LIST = r"\[\s*" + r"\s*,\s*".join([f"({_NUMBER})"] * 4) + r"\s*\]"
_EVALUATION_LIST = re.compile(_LIST)
_EVALUATION_KEYED = re.compile(r'"bbox_2d"\s*:\s*' + _LIST)

Missing: TypeAlias = Literal["no_box", "not_finite"]


@dataclass(frozen=True)
class Reading:
    """The four numbers that were found, as the rules leave them, where they stood, and how many lists there were."""

    box: Box
    span: tuple[int, int]
    lists: int


def read_for_reward(text: str) -> Reading | Missing:
    """Read a box as the reward does, or give the reason why there is none.

    The text inside `<answer>` is preferred; the last bracketed list counts, and without any, the last four
    numbers. Corners are sorted. Numbers may lie outside 0..1000.
    """
    opened = _ANSWER_OPEN.search(text)
    closed = _ANSWER_CLOSE.search(text, opened.end()) if opened else None
    if opened and closed:
        inside = _last_of(text, opened.end(), closed.start())
        if isinstance(inside, Reading):
            return inside
    return _last_of(text, 0, len(text))


def _last_of(text: str, start: int, end: int) -> Reading | Missing:
    lists = list(_BRACKETED.finditer(text, start, end))
    if lists:
        numbers = list(_REWARD_NUMBER.finditer(text, lists[-1].start(1), lists[-1].end(1)))[:4]
    else:
        numbers = list(_REWARD_NUMBER.finditer(text, start, end))[-4:]
    if len(numbers) < 4:
        return "no_box"
    x0, y0, x1, y1 = (float(n.group()) for n in numbers)
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return "not_finite"
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return Reading(box, (numbers[0].start(), numbers[-1].end()), max(len(lists), 1))


def read_for_evaluation(text: str) -> Reading | Missing:
    """Read a box as the evaluation script does, or give the reason why there is none.

    The first `"bbox_2d": [...]` counts, else the first list of four numbers, else the last four numbers.
    Numbers are cut to 0..1000, and what overflows a float becomes 0; corners stay as they were written, so
    a box with swapped corners has no area.
    """
    keyed = list(_EVALUATION_KEYED.finditer(text))
    found = keyed or list(_EVALUATION_LIST.finditer(text))
    if found:
        written = found[0].groups()
        span = (found[0].start(1), found[0].end(4))
    else:
        numbers = list(_EVALUATION_NUMBER.finditer(text))[-4:]
        if len(numbers) < 4:
            return "no_box"
        written = tuple(n.group() for n in numbers)
        span = (numbers[0].start(), numbers[-1].end())
    x0, y0, x1, y1 = (_cut(float(value)) for value in written)
    return Reading((x0, y0, x1, y1), span, max(len(found), 1))


def _cut(value: float) -> float:
    return min(max(value, 0.0), FRAME) if math.isfinite(value) else 0.0


def official_pixels(box: Box, width: int, height: int) -> Box:
    """Scale a box from 0..1000 to whole pixels as the released code does, for figures like the paper's.

    Coordinates are rounded (half to even), cut to width - 1 and height - 1, and a side that vanishes is made one
    pixel long where the image has room. The reward does this to prediction and truth, the evaluation script to
    the prediction only. These are not our own pixels, see `egm_core.boxes.to_pixels`.
    """
    x0, y0, x1, y1 = box
    x0, x1 = _whole(x0, width), _whole(x1, width)
    y0, y1 = _whole(y0, height), _whole(y1, height)
    if x0 == x1:
        x1 = min(x0 + 1, width - 1)
    if y0 == y1:
        y1 = min(y0 + 1, height - 1)
    return (float(x0), float(y0), float(x1), float(y1))


def _whole(value: float, size: int) -> int:
    scaled = value * size / FRAME
    if math.isinf(scaled):
        return size - 1 if scaled > 0 else 0
    return max(0, min(round(scaled), size - 1))
