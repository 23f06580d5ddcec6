"""Decides when an engine is replaced, how long to pause before that, and when to stop hoping; pure, no ROS.

What a dead or hung process means is plain: a new one.  An engine that lives is judged by its record, which keeps apart
what the engine does (failures, silence, memory), what the model says (words without a box) and how long that takes:
only the first is mended by a new process, and by `restart_limit` of them within `restart_window` at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

LONGEST_PAUSE = 30.0
SHORTAGES = 3

# PyTorch, CUDA, TensorRT, C++, Python and the allocators below them, in their own words.
NO_MEMORY = re.compile(
    r"out of memory|out_of_memory|outofmemory|bad_alloc|\bMemoryError\b|cannot allocate memory|can't allocate memory"
    r"|not enough memory|\bOOM\b",
    re.IGNORECASE,
)

Event = Literal["usable", "fitted", "partial", "unreadable", "late", "broken", "mute", "no_memory"]
Trouble = Literal["", "partial", "unreadable", "late", "broken", "mute", "no_memory"]


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
    restart_window: float = 300.0
    restart_backoff: float = 1.0
    query_timeout: float = 10.0

    @property
    def mute_after(self) -> float:
        """Seconds without a piece of any answer after which an engine counts as mute and no longer as slow."""
        return max(3.0 * self.query_timeout, self.health_timeout)


@dataclass(frozen=True)
class Record:
    """What became of an engine's queries.

    `broken`, `partial`, `unreadable` and `late` count such in a row, each in a row of its own: a server's failures say
    nothing of the model's words, and neither says how long it takes.  `shortages` counts those whose picture had to be
    made smaller.  `smaller`: send smaller pictures from now on.  `trouble` says in what way the engine is degraded.
    """

    broken: int = 0
    unreadable: int = 0
    late: int = 0
    partial: int = 0
    shortages: int = 0
    smaller: bool = False
    trouble: Trouble = ""

    @property
    def degraded(self) -> bool:
        """Tell whether the engine lives, but is of little use."""
        return self.trouble != ""


@dataclass(frozen=True)
class Restarts:
    """When the engine's processes were replaced, for whatever reason; monotonic seconds."""

    times: tuple[float, ...] = ()

    def at(self, now: float) -> Restarts:
        """Note one more."""
        return Restarts((*self.times[-999:], now))

    def wait(self, now: float, care: Care) -> float:
        """Give the seconds until another one is allowed: never more than `restart_limit` within `restart_window`."""
        if care.restart_limit == 0:
            return float("inf")
        recent = [then for then in self.times if now - then < care.restart_window]
        if len(recent) < care.restart_limit:
            return 0.0
        return recent[-care.restart_limit] + care.restart_window - now


def after(record: Record, event: Event, care: Care, allowed: bool) -> tuple[Record, bool]:
    """Give the record after a query, and whether the engine's process is to be replaced, where that is `allowed`.

    An event is what a query came to: usable; fitted (usable, but only with a smaller picture); partial (the same engine
    gives visible boxes and fails at amodal ones, which a new process seldom cures); unreadable (the model's
    words hold no box) and late (nothing whole in time), which no new process cures; broken (the engine failed); mute
    (not a piece of any answer for long); no_memory (not even with the smaller picture).
    """
    if event == "usable":
        return Record(smaller=record.smaller), False
    if event == "fitted":
        shortages = record.shortages + 1
        return Record(shortages=shortages, smaller=record.smaller or shortages >= SHORTAGES), False
    limit = care.failure_limit
    if event == "partial":
        record = Record(partial=record.partial + 1, smaller=record.smaller)
        return _troubled(record, event, limit > 0 and record.partial >= limit), False
    if event == "unreadable":
        record = replace(record, unreadable=record.unreadable + 1, broken=0, late=0)
        return _troubled(record, event, limit > 0 and record.unreadable >= limit), False
    if event == "late":
        record = replace(record, late=record.late + 1)
        return _troubled(record, event, limit > 0 and record.late >= limit), False
    if event == "broken":
        record = replace(record, broken=record.broken + 1)
        if not limit or record.broken < limit:
            return record, False
    if allowed and (limit or event == "no_memory"):
        return replace(record, broken=0, late=0, shortages=0), True
    return replace(record, smaller=record.smaller or event == "no_memory", trouble=event), False


def _troubled(record: Record, trouble: Trouble, enough: bool) -> Record:
    return replace(record, trouble=trouble) if enough else record


def after_death(record: Record, last_words: str) -> Record:
    """Give the record after the process ended by itself: one that ran out of memory gets smaller pictures."""
    return replace(record, broken=0, late=0, trouble="", smaller=record.smaller or out_of_memory(last_words))
