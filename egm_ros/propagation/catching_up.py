"""Boxes under way: those that are at the newest image, and those of an answer that are still being brought there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from std_msgs.msg import Header

from egm_core.propagation import Limits, SmallFrame, Track, advance, begin
from egm_core.propagation.trails import Spot, Trails
from egm_core.streams.joining import Answer, Stamp, box_of
from egm_ros.propagation.targets import label_of, number_of, score_of


@dataclass(frozen=True, eq=False)
class Carried:
    """One box pair under way: its id and class_id, and its track.

    `amodal_score` is a factor on the track's score: the two boxes of an answer have scores of their own. `origin` is
    the header of the answer's image, `start` that image's moment, and `at` that of the image which the track is at.
    `given` is the id that it has in the answer.
    """

    identity: str
    label: str
    track: Track
    amodal_score: float = 1.0
    origin: Header = field(default_factory=Header)
    start: Stamp = 0
    at: Stamp = 0
    given: str = ""

    @property
    def stamp(self) -> Stamp:
        """The stamp of the answer's image."""
        return int(self.origin.stamp.sec) * 10**9 + int(self.origin.stamp.nanosec)

    @property
    def spot(self) -> Spot:
        """Where it is, for comparing it with a new answer's boxes."""
        return Spot(number_of(self.given), self.label, self.track.visible, self.track.amodal)


def stepped(entries: Iterable[Carried], frame: SmallFrame, limits: Limits) -> list[Carried]:
    """Take boxes over one later image, all together."""
    held = list(entries)
    tracks = advance([entry.track for entry in held], frame, limits)
    return [replace(entry, track=track, at=frame.stamp) for entry, track in zip(held, tracks, strict=True)]


def begun(answer: Answer, start: SmallFrame, trails: Trails, within: float) -> tuple[Carried, ...]:
    """Begin a track with each box pair of an answer, on the small frame of its image.

    What is an object of before, by where that was at most `within` seconds from this image, keeps its id.
    """
    whole = {entry.id: entry for entry in answer.amodal.detections}
    found = []
    for entry in answer.visible.detections:
        amodal, score = whole.get(entry.id), score_of(entry)
        track = begin(start, box_of(entry), box_of(amodal) if amodal is not None else None, score)
        share = score_of(amodal) / score if amodal is not None and score > 0 else 1.0
        origin = answer.visible.header
        found.append(Carried("", label_of(entry), track, share, origin, start.stamp, start.stamp, entry.id))
    names = trails.names(start.stamp, [entry.spot for entry in found], within)
    return tuple(replace(entry, identity=name) for entry, name in zip(found, names, strict=True))


def noted(trails: Trails, entries: Iterable[Carried]) -> None:
    """Keep where boxes are, each at its image, for the answers to come."""
    for entry in entries:
        if not entry.track.lost:
            trails.note(entry.at, {entry.identity: entry.spot})


@dataclass(frozen=True, eq=False)
class CatchingUp:
    """An answer's boxes at image `at`, on their way from its image `start` to the newest over those `ahead`."""

    answer: Answer
    start: SmallFrame
    entries: tuple[Carried, ...]
    ahead: tuple[SmallFrame, ...]
    at: SmallFrame

    def go_on(
        self, seconds: float, limits: Limits, later: Callable[[int], list[SmallFrame]], trails: Trails
    ) -> CatchingUp:
        """Go on for so long, over one image at least; with none ahead any more, the newest one is reached.

        `later` gives the images after a stamp: those that came meanwhile lie on the way as well.
        """
        until = time.monotonic() + seconds
        entries, ahead, at = self.entries, list(self.ahead), self.at
        while ahead or (ahead := later(at.stamp)):
            at = ahead.pop(0)
            entries = tuple(stepped(entries, at, limits))
            noted(trails, entries)
            if time.monotonic() >= until:
                break
        return replace(self, entries=entries, ahead=tuple(ahead or later(at.stamp)), at=at)
