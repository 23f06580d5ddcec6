"""Prices of models, in US dollars per million tokens: a table with a date, and a user's own.

They change often and without notice, so they are to be verified before use: every estimate says where its prices come
from and of which day they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

COLLECTED = "2026-09"
MILLION = 1_000_000
BATCH = 0.5


@dataclass(frozen=True)
class Price:
    """What a model's tokens cost, in US dollars per million; `batch` is the share that a batch file pays.

    `models` is a pattern of names with `*`, in small letters.
    """

    models: str
    into: float
    out: float
    date: str = COLLECTED
    source: str = "vendors' lists; verify before use"
    batch: float = BATCH

    def dollars(self, tokens_in: float, tokens_out: float) -> float:
        """Give what so many tokens cost."""
        return (self.into * tokens_in + self.out * tokens_out) / MILLION

    @property
    def free(self) -> bool:
        """Whether nobody bills anything."""
        return not (self.into or self.out)

    def in_batch(self) -> Price:
        """Give the price in a batch file."""
        return Price(
            self.models, self.into * self.batch, self.out * self.batch, self.date, f"{self.source}; batch", 1.0
        )


# What is narrower comes first.
TABLE = tuple(
    Price(*row)
    for row in (
        ("gpt-5.6-luna*", 0.20, 1.20),
        ("gpt-5.6-terra*", 2.0, 12.0),
        ("gpt-5.4-mini*", 0.75, 4.5),
        ("gpt-5.4*", 2.5, 15.0),
        ("gpt-5-mini*", 0.25, 2.0),
        ("gpt-5-nano*", 0.05, 0.40),
        ("gpt-5-pro*", 15.0, 120.0),
        ("gpt-5", 1.25, 10.0),
        ("gpt-5-20*", 1.25, 10.0),
        ("gpt-5.1", 1.25, 10.0),
        ("gpt-5.1-20*", 1.25, 10.0),
        ("gpt-4.1", 2.0, 8.0),
        ("gpt-4.1-20*", 2.0, 8.0),
        ("claude-haiku-4-5*", 1.0, 5.0),
        ("claude-sonnet-5*", 2.0, 10.0),
        ("claude-opus-5*", 5.0, 25.0),
        ("gemini-2.5-pro*", 1.25, 10.0),
        ("gemini-3.1-pro*", 2.0, 12.0),
        ("gemini-3.5-flash", 1.5, 9.0),
        ("gemini-3.8-flash", 0.75, 3.75),
        ("grok-4.5", 2.0, 6.0),
    )
)
FREE = Price("*", 0.0, 0.0, "", "your own machine", 1.0)


def price_of(model: str, own: Sequence[Price] = ()) -> Price | None:
    """Give a model's price by its name, a user's own table first; None where no pattern fits."""
    name = model.strip().rsplit("/", 1)[-1].lower()
    whole = model.strip().lower()
    for price in (*own, *TABLE):
        if fnmatchcase(name, price.models.lower()) or fnmatchcase(whole, price.models.lower()):
            return price
    return None


def read_prices(path: Path) -> tuple[Price, ...]:
    """Read a table of one's own: a JSON list of objects with `models`, `in`, `out`, and if liked `date` and `batch`."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); {_FORM}") from error
    if not isinstance(rows, list):
        raise ValueError(f"{path}: {_FORM}")
    return tuple(_price(row, f"{path}, row {number}", path) for number, row in enumerate(rows, 1))


_FORM = 'write [{"models": "gpt-4.1*", "in": 2.0, "out": 8.0, "date": "2026-11-01", "batch": 0.5}, ...]'
_NAMES = {"models", "in", "out", "date", "batch"}


def _price(row: Any, place: str, path: Path) -> Price:
    if not isinstance(row, dict) or not {"models", "in", "out"} <= row.keys() or not row.keys() <= _NAMES:
        raise ValueError(f"{place}: {_FORM}")
    amounts = [row["in"], row["out"], row.get("batch", BATCH)]
    if not isinstance(row["models"], str) or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) and one >= 0
        for one in amounts
    ):
        raise ValueError(f"{place}: prices are numbers of at least 0, and models a text; {_FORM}")
    into, out, batch = map(float, amounts)
    return Price(row["models"], into, out, str(row.get("date", "without a date")), str(path), batch)
