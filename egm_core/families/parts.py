"""What the readers of answers hand to each other: numbers and objects as they were written, and named refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from egm_core.boxes import Box

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
SIDES, POINTS = "(sides)", "(points)"

Reason: TypeAlias = Literal[
    "",
    "no_answer",
    "truncated",
    "unfinished",
    "no_box",
    "malformed",
    "ambiguous",
    "not_four_numbers",
    "not_finite",
    "out_of_range",
    "fractions",
    "degenerate",
]


class Refused(Exception):
    """An answer, or a part of it, that can't be read; carries the named reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Number:
    """A number of an answer, from where to where it stands in the raw text, and whether it has no decimals."""

    value: float
    start: int
    end: int
    whole: bool = True

    @classmethod
    def read(cls, written: str, start: int) -> Number:
        """Read a numeral that stands at `start`."""
        return cls(float(written), start, start + len(written), written.lstrip("-").isdigit())


@dataclass(frozen=True)
class Entry:
    """An object that an answer names: its box as it was written, None where it is absent, and its label.

    `own` tells that the box stands where the format has it, under the family's key or in its tags. `under` is the key
    that holds it, `SIDES` where each side has its name, `POINTS` for two points, and empty for a bare list.
    """

    box: Any
    label: str = ""
    own: bool = False
    under: str = ""


@dataclass(frozen=True)
class Listed:
    """An object of an answer as it was read: its box and where that stands, or the named reason why it is none."""

    box: Box | None
    span: tuple[int, int] | None = None
    label: str = ""
    reason: Reason = ""
