"""How intervals are written, and what stands in their place where there is none."""

from __future__ import annotations

import math
from typing import Protocol

from egm_core.evaluate.statistics import FEWEST

NONE = "no interval"


class Bounds(Protocol):
    """What has an interval, or has none: a figure, or a paired difference."""

    @property
    def low(self) -> float:
        """The lower end; NaN where there is no interval."""

    @property
    def high(self) -> float:
        """The upper end."""

    @property
    def clusters(self) -> int:
        """How many scenes or images there are."""


def written(of: Bounds, form: str = ".1f", scale: float = 1.0, shift: float = 0.0, between: str = " to ") -> str:
    """Write an interval's ends; in place of one that there is not, say why, as short as a table wants it."""
    if math.isnan(of.low):
        return missing(of)
    return between.join(f"{scale * end + shift:{form}}" for end in (of.low, of.high))


def missing(of: Bounds, unit: str = "") -> str:
    """Say that there is no interval: the number of scenes or images where they are too few, or that all are alike."""
    if of.clusters >= FEWEST:
        return f"{NONE}: all alike"
    named = unit[:-1] if of.clusters == 1 else unit
    return f"{NONE}: {of.clusters} {named}".rstrip()


def marked(name: str, of: Bounds) -> str:
    """Give the name of a point in a picture, and that it has no interval where that is so."""
    return f"{name} ({missing(of)})" if math.isnan(of.low) else name


def legend(unit: str = "images", bootstrap: str = "", wilson: bool = True) -> str:
    """Say what intervals are, and when another or none stands there; `bootstrap` adds words to the first sentence.

    `wilson` says that shares are among the figures, and parts of a mean.
    """
    first = f"95 % intervals are a bootstrap over {unit}{bootstrap}."
    if wilson:
        first += f" Where all {unit} came out alike, such as all right, Wilson's interval takes its place."
    return f'{first} Fewer than {FEWEST} {unit} have none: "{NONE}" and how many there are.'
