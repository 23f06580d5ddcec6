"""Carries the boxes of answers from picture to picture of one camera, as the propagation node does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from egm_core.propagation import Limits, SmallFrame, Track, begin, propagate
from egm_core.recordings.answers import Answered
from egm_core.recordings.messages import Shown
from egm_core.streams.timeline import Seen


@dataclass(frozen=True, eq=False)
class Carried:
    """One object under way: its id, its line, its track, and the amodal score as a part of the visible one's."""

    identity: str
    line: str
    track: Track
    share: float

    @property
    def shown(self) -> Shown:
        """Its boxes where they are now."""
        score = self.track.score
        return Shown(
            self.identity, self.line, self.track.visible, self.track.amodal, score, min(1.0, score * self.share)
        )


class Carrying:
    """The objects under way before one camera; `lost` counts why those that were lost are no more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.carried: tuple[Carried, ...] = ()
        self._newest: int | None = None
        self.lost: Counter[str] = Counter()

    def step(self, frame: SmallFrame, seen: Seen, answers: Mapping[str, Answered], numbers: Mapping[str, int]) -> bool:
        """Take what is under way to a picture; answers about it take the place of their lines' boxes.

        An answer that says that its object is absent ends them, and one that could not be had changes nothing. False
        where the picture is no newer than the one before, and nothing was done.
        """
        if self._newest is not None and seen.moment <= self._newest:
            return False
        self._newest = seen.moment
        frame = replace(frame, stamp=seen.moment)
        told = {line for line, answer in answers.items() if answer.outcome != "error"}
        kept = [entry for entry in self.carried if entry.line not in told]
        stepped = [replace(entry, track=propagate(entry.track, [frame], self._limits)) for entry in kept]
        begun = [entry for line in answers for entry in _begun(frame, line, numbers[line], answers[line])]
        everything = [*stepped, *begun]
        self.lost.update(entry.track.lost for entry in everything if entry.track.lost)
        self.carried = tuple(entry for entry in everything if not entry.track.lost)
        return True

    def forget(self) -> None:
        """End all: what was before has nothing to do with what comes."""
        self.lost.update({"time_went_back": len(self.carried)} if self.carried else {})
        self.carried, self._newest = (), None


def _begun(frame: SmallFrame, line: str, number: int, answer: Answered) -> Iterator[Carried]:
    for place, pair in enumerate(answer.pairs):
        share = pair.amodal_score / pair.score if pair.amodal is not None and pair.score > 0 else 1.0
        yield Carried(f"{number}:{place}", line, begin(frame, pair.visible, pair.amodal, pair.score), share)
