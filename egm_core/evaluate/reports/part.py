"""Says of which part figures are where a budget ended before the questions did: a random one, or one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FIRST = (
    "the others are those that stand first in the files, and no random part: no figure of the whole; for a random part "
    "evaluate again with --sample N"
)


def words(unasked: int, count: int, seed: int, drawn: bool) -> str:
    """Say how many of some questions were not asked, and what the others are; nothing where all were asked."""
    if not unasked:
        return ""
    if drawn:
        others = f"the others are a random part, drawn by image (--seed {seed})"
    else:
        others = (
            "the others are no random part, for answers of a run in another order are among them: no figure of the "
            "whole; raise --budget, or take --sample N with a new --answers FILE"
        )
    return f"PART ONLY: {unasked:,} of {count:,} questions were not asked; {others}"


def of_result(data: Mapping[str, Any]) -> str:
    """Say it of a stored result; those of earlier versions asked in the order of the files."""
    if told := data.get("part"):
        return str(told)
    unasked = data.get("unasked")
    if not unasked:
        return ""
    return f"PART ONLY: {unasked:,} of {data.get('questions')} questions were not asked; {_FIRST}"
