"""Boxes under way: those that are at the newest image, and those of an answer that are still being brought there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from egm_core.propagation import Limits, SmallFrame, Track, propagate
from egm_core.streams.joining import Answer


@dataclass(frozen=True, eq=False)
class Carried:
    """One box pair under way: its id and class_id, and its track.

    `amodal_score` is a factor on the track's score: the two boxes of an answer have scores of their own.
    """

    identity: str
    label: str
    track: Track
    amodal_score: float = 1.0

    def step(self, frames: list[SmallFrame], limits: Limits) -> Carried:
        """Take it over later images."""
        return replace(self, track=propagate(self.track, frames, limits))


@dataclass(frozen=True, eq=False)
class CatchingUp:
    """An answer's boxes at image `at`, on their way from its image `start` to the newest over those `ahead`."""

    answer: Answer
    start: SmallFrame
    entries: tuple[Carried, ...]
    ahead: tuple[SmallFrame, ...]
    at: SmallFrame

    def go_on(self, seconds: float, limits: Limits, later: Callable[[int], list[SmallFrame]]) -> CatchingUp:
        """Go on for so long, over one image at least; with none ahead any more, the newest one is reached.

        `later` gives the images after a stamp: those that came meanwhile lie on the way as well.
        """
        until = time.monotonic() + seconds
        entries, ahead, at = self.entries, list(self.ahead), self.at
        while ahead or (ahead := later(at.stamp)):
            at = ahead.pop(0)
            entries = tuple(entry.step([at], limits) for entry in entries)
            if time.monotonic() >= until:
                break
        return replace(self, entries=entries, ahead=tuple(ahead or later(at.stamp)), at=at)
