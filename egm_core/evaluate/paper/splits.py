"""The eight test splits of RefCOCO, RefCOCO+ and RefCOCOg: their names, and how much is in each."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """One split: a data set and a part of it, with its numbers of refs (objects), images and sentences."""

    source: str
    part: str
    refs: int
    images: int
    sentences: int

    @property
    def name(self) -> str:
        """The split as tables head it."""
        return f"{self.source} {self.part}"


SPLITS = (
    Split("RefCOCO", "val", 3811, 1500, 10834),
    Split("RefCOCO", "testA", 1975, 750, 5657),
    Split("RefCOCO", "testB", 1810, 750, 5095),
    Split("RefCOCO+", "val", 3805, 1500, 10758),
    Split("RefCOCO+", "testA", 1975, 750, 5726),
    Split("RefCOCO+", "testB", 1798, 750, 4889),
    Split("RefCOCOg", "val", 2573, 1300, 4896),
    Split("RefCOCOg", "test", 5023, 2600, 9602),
)
_SETS = {"refcoco": "RefCOCO", "refcoco+": "RefCOCO+", "refcocop": "RefCOCO+", "refcocoplus": "RefCOCO+",
         "refcocog": "RefCOCOg"}  # fmt: skip


def split_of(source: str, part: str) -> Split | None:
    """Find the split that a sample's source and split name, however they are written; None for any other."""
    wanted = _SETS.get(re.sub(r"[^a-z+]|umd|unc", "", source.lower()))
    low = "val" if part.lower() == "validation" else part.lower()
    return next((s for s in SPLITS if s.source == wanted and s.part.lower() == low), None)
