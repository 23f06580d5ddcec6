"""Decides when an engine is replaced, how long to pause before that, and when to stop hoping; pure, no ROS.

What a dead or hung process means is plain: a new one.  An engine that lives and gives no usable answer is judged by
its record: the answers in a row that were of no use, the pictures that did not fit into memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from egm_ros.parameters import Settings

LONGEST_PAUSE = 30.0
SHORTAGES = 3

# PyTorch, CUDA, TensorRT, C++, Python and the allocators below them, in their own words.
NO_MEMORY = re.compile(
    r"out of memory|out_of_memory|outofmemory|bad_alloc|\bMemoryError\b|cannot allocate memory|can't allocate memory"
    r"|not enough memory|\bOOM\b",
    re.IGNORECASE,
)

Event = Literal["usable", "fitted", "unusable", "no_memory"]


def out_of_memory(text: str) -> bool:
    """Tell whether an error's or a process's words say that memory ran out."""
    return NO_MEMORY.search(text) is not None


def pause_before(last: float, healthy: float, first: float) -> float:
    """Give the pause in seconds before the next start: twice the `last` one, up to half a minute.

    After an engine that was healthy for that long, and at first (`last` 0), it is `first` seconds.
    """
    if last <= 0.0 or healthy >= LONGEST_PAUSE:
        return first
    return min(2.0 * last, max(first, LONGEST_PAUSE))


@dataclass(frozen=True)
class Care:
    """The limits that the node's parameters set; seconds, and counts of answers and restarts."""

    health_timeout: float = 10.0
    failure_limit: int = 5
    restart_limit: int = 3
    restart_backoff: float = 1.0

    @classmethod
    def of(cls, settings: Settings) -> Care:
        """Take the limits from the node's settings."""
        return cls(settings.engine_health_timeout, settings.failure_limit, settings.restart_limit,
                   settings.restart_backoff)


@dataclass(frozen=True)
class Record:
    """What became of an engine's queries.

    `failures` counts queries in a row without a usable answer, `shortages` those in a row whose picture had to be
    made smaller, and `replaced` the processes that were replaced since the last usable answer.  `smaller`: send
    smaller pictures from now on.  `degraded`: new processes did not help.
    """

    failures: int = 0
    shortages: int = 0
    replaced: int = 0
    smaller: bool = False
    degraded: bool = False


def after(record: Record, event: Event, care: Care) -> tuple[Record, bool]:
    """Give the record after a query, and whether the engine's process is to be replaced.

    An event is what a query came to: usable, fitted (usable, but only with a smaller picture), unusable (garbage,
    an error, nothing in time), or no_memory (not even with the smaller picture).
    """
    if event == "usable":
        return Record(smaller=record.smaller), False
    if event == "fitted":
        shortages = record.shortages + 1
        return Record(shortages=shortages, smaller=record.smaller or shortages >= SHORTAGES), False
    failures = record.failures + 1
    if event == "unusable" and (not care.failure_limit or failures < care.failure_limit):
        return replace(record, failures=failures), False
    if record.replaced < care.restart_limit:
        return replace(record, failures=0, shortages=0, replaced=record.replaced + 1), True
    return replace(record, failures=failures, smaller=record.smaller or event == "no_memory", degraded=True), False


def after_death(record: Record, last_words: str) -> Record:
    """Give the record after the process ended by itself: one that ran out of memory gets smaller pictures."""
    return replace(record, failures=0, smaller=record.smaller or out_of_memory(last_words))
