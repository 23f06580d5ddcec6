"""Carries the boxes of answers from picture to picture of one camera, as the propagation node does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from egm_core.propagation import Limits, SmallFrame, Track, advance, begin
from egm_core.propagation.trails import Spot, Trails
from egm_core.recordings.answers import Answered
from egm_core.recordings.messages import Shown
from egm_core.streams.timeline import Seen


@dataclass(frozen=True, eq=False)
class Carried:
    """One object under way: its id, its line and that one's number, its track, and its amodal score.

    The amodal score is a part of the visible one's.
    """

    identity: str
    line: str
    number: int
    track: Track
    share: float

    @property
    def spot(self) -> Spot:
        """Where it is, for comparing it with a new answer's boxes."""
        return Spot(str(self.number), self.line, self.track.visible, self.track.amodal)

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
        self._trails = Trails(limits.max_age)
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
        tracks = advance([entry.track for entry in self.carried], frame, self._limits)
        stepped = [replace(entry, track=track) for entry, track in zip(self.carried, tracks, strict=True)]
        # By where the objects of before are in this very picture, those of an answer keep their ids.
        self._note(stepped)
        begun = [entry for line in answers for entry in _begun(frame, line, numbers[line], answers[line])]
        names = self._trails.names(frame.stamp, [entry.spot for entry in begun], 0.0)
        begun = [replace(entry, identity=name) for entry, name in zip(begun, names, strict=True)]
        self._note(begun)
        everything = [*(entry for entry in stepped if entry.line not in told), *begun]
        self.lost.update(entry.track.lost for entry in everything if entry.track.lost)
        self.carried = tuple(entry for entry in everything if not entry.track.lost)
        return True

    def _note(self, entries: Sequence[Carried]) -> None:
        for entry in entries:
            if not entry.track.lost:
                self._trails.note(entry.track.frame.stamp, {entry.identity: entry.spot})

    def forget(self) -> None:
        """End all: what was before has nothing to do with what comes."""
        self.lost.update({"time_went_back": len(self.carried)} if self.carried else {})
        self.carried, self._newest = (), None
        self._trails.forget()


def _begun(frame: SmallFrame, line: str, number: int, answer: Answered) -> Iterator[Carried]:
    for pair in answer.pairs:
        share = pair.amodal_score / pair.score if pair.amodal is not None and pair.score > 0 else 1.0
        yield Carried("", line, number, begin(frame, pair.visible, pair.amodal, pair.score), share)
