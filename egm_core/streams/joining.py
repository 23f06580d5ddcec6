"""Brings a picture, its visible boxes and its amodal boxes together by their stamp. Nothing here imports ROS."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from egm_core.boxes import Box
from egm_core.streams.picture_memory import PictureMemory
from egm_core.streams.timeline import JUMP, Seen, Stamp, Timeline, stamp_of

__all__ = ["Answer", "Dropped", "Feed", "Join", "Kind", "Pairs", "Stamp", "box_of", "stamp_of"]

Kind = Literal["visible", "amodal"]

# Both arrays of an answer are published together; one that is alone for so long (seconds) stays alone.
PATIENCE = 2.0
# Where stamps tell no time, halves that came within so long (seconds) may always be of one answer,
CLOSE = 0.02
# and so are the first two where the second took no more than half of this.
FIRST = 0.5
# So many halves may wait; of what was dropped so many entries are kept until somebody asks.
HALVES, TOLD = 64, 64

BACK = "time went back since"
ALONE = "of the two arrays of their answer only these came; do both topics come from one node?"
CROWD = "too many wait for their other half"
AHEAD = "no picture of that time has come: images get lost on their way, or time went back since"
FOREIGN = "they have a stamp, but the pictures here have none"
LATE = "an answer for a later picture came before"
BROKEN = "a side of a box or its score is no number, or lies beyond any picture; see the program that publishes them"
# No picture reaches this far (pixels).
FAR = 1e6


def box_of(detection: Any) -> Box:
    """Give a vision_msgs/Detection2D's box as xyxy in pixels."""
    center, box = detection.bbox.center.position, detection.bbox
    width, height = box.size_x / 2.0, box.size_y / 2.0
    return (center.x - width, center.y - height, center.x + width, center.y + height)


@dataclass(frozen=True)
class Answer:
    """Both arrays of boxes for the picture of a stamp."""

    stamp: Stamp
    visible: Any
    amodal: Any


@dataclass(frozen=True)
class Dropped:
    """An array of boxes that was dropped: of which kind, and why, in words that name the remedy."""

    stamp: Stamp
    kind: Kind
    array: Any
    why: str

    def __str__(self) -> str:
        return f"{self.kind} boxes for stamp {self.stamp / 1e9:.3f} are dropped: {self.why}"


@dataclass(frozen=True, eq=False)
class _Half:
    """An array that waits since a time; `before` is how long nothing had come when it came."""

    kind: Kind
    array: Any
    since: float
    before: float

    @property
    def ids(self) -> frozenset[str]:
        """The ids of its boxes; those of both halves are the same, but a box may have no amodal one."""
        return frozenset(getattr(entry, "id", "") for entry in getattr(self.array, "detections", ()))

    @property
    def broken(self) -> bool:
        """Whether a box of it is none: one that cannot be drawn, followed or lifted ends a robot's node."""
        boxes = [entry for entry in getattr(self.array, "detections", ()) if hasattr(entry, "bbox")]
        sides = (side for entry in boxes for side in box_of(entry))
        scores = (float(result.hypothesis.score) for entry in boxes for result in entry.results)
        return not (all(abs(side) <= FAR for side in sides) and all(map(math.isfinite, scores)))


class Pairs:
    """Pairs the visible and the amodal array of each answer by their stamp, whichever comes first.

    Where stamps tell no time (0, or always the same), ids say which belong together, and where they do not either
    (no boxes, or those of one object under way), a half goes with the next of the other kind, if that takes no more
    than half as long as nothing had come before. Where time goes back, halves of before pair with nothing that comes
    after it. `now` is seconds of a clock that never jumps, the machine's monotonic one if left out.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._halves: dict[Stamp, deque[_Half]] = {}
        self._newest: dict[Kind, Stamp] = {}
        self._came: tuple[Stamp, float] | None = None
        self._paired: tuple[Stamp, frozenset[str]] | None = None
        self._dropped: deque[Dropped] = deque(maxlen=TOLD)

    def visible(self, array: Any, now: float | None = None) -> Answer | None:
        """Take in visible boxes; return the answer where the amodal ones are here."""
        return self.add("visible", array, now)

    def amodal(self, array: Any, now: float | None = None) -> Answer | None:
        """Take in amodal boxes; return the answer where the visible ones are here."""
        return self.add("amodal", array, now)

    def add(self, kind: Kind, array: Any, now: float | None = None) -> Answer | None:
        """Take in an array of either kind; return the answer once both are here."""
        now = time.monotonic() if now is None else now
        stamp = stamp_of(array)
        self._forget_before(kind, stamp)
        self.expire(now)
        before = now - self._came[1] if self._came is not None and self._came[0] == stamp else FIRST
        self._came = (stamp, now)
        half = _Half(kind, array, now, before)
        waiting = self._halves.get(stamp, deque())
        other = self._other(stamp, half, waiting)
        if other is None:
            self._halves.setdefault(stamp, deque()).append(half)
            self._bound()
            return None
        # Each topic keeps its order: the others of what came earlier are lost.
        early = [one for one in waiting if one.kind == kind or one.since < other.since]
        waiting.remove(other)
        self._drop(lambda stamp, one: one in early, ALONE)
        both = {kind: half, other.kind: other}
        self._paired = (stamp, both["visible"].ids)
        if any(one.broken for one in both.values()):
            self._dropped.append(Dropped(stamp, "visible", both["visible"].array, BROKEN))
            return None
        return Answer(stamp, both["visible"].array, both["amodal"].array)

    def _other(self, stamp: Stamp, half: _Half, waiting: deque[_Half]) -> _Half | None:
        """Give the half that belongs to this one, if it waits; of several that may, the newest."""
        others = [one for one in reversed(waiting) if one.kind != half.kind]
        timeless = stamp == 0 or len(waiting) > 1 or (self._paired is not None and self._paired[0] == stamp)
        if not timeless:
            return others[0] if others else None
        last = self._paired[1] if self._paired is not None else frozenset()
        for one in others:
            if (one.ids & half.ids) - last:
                return one
        able = [one for one in others if _may_be_of_one(one, half)]
        # Answers for one picture about several targets come right after each other, and each topic keeps their order.
        targets = len({one.ids for one in able}) > 1 and able[0].since - able[-1].since <= CLOSE
        return able[-1 if targets else 0] if able else None

    def expire(self, now: float) -> None:
        """Drop the halves that have waited too long."""
        self._drop(lambda stamp, half: now - half.since > self.patience, ALONE)

    def dropped(self) -> list[Dropped]:
        """Give what was dropped since this was asked last."""
        told = list(self._dropped)
        self._dropped.clear()
        return told

    def go_back(self, stamp: Stamp) -> None:
        """Drop the halves of before, as time went back to this stamp."""
        self._drop(lambda other, half: other > stamp + JUMP * 1e9, BACK)
        self._newest.clear()

    def _forget_before(self, kind: Kind, stamp: Stamp) -> None:
        """Drop the halves of this kind that are of before time went back, if it did."""
        limit = stamp + JUMP * 1e9
        if self._newest.get(kind, stamp) > limit:
            self._drop(lambda other, half: half.kind == kind and other > limit, BACK)
            self._newest[kind] = stamp
        self._newest[kind] = max(stamp, self._newest.get(kind, stamp))

    def _bound(self) -> None:
        halves = [half for waiting in self._halves.values() for half in waiting]
        if len(halves) > HALVES:
            oldest = min(halves, key=lambda half: half.since)
            self._drop(lambda stamp, half: half is oldest, CROWD)

    def _drop(self, condition: Callable[[Stamp, _Half], bool], why: str) -> None:
        for stamp, waiting in list(self._halves.items()):
            over = [half for half in waiting if condition(stamp, half)]
            self._dropped.extend(Dropped(stamp, half.kind, half.array, why) for half in over)
            left = deque(half for half in waiting if half not in over)
            if left:
                self._halves[stamp] = left
            else:
                del self._halves[stamp]


def _may_be_of_one(one: _Half, half: _Half) -> bool:
    """Tell whether two halves may be of one answer, by their ids and by when they came."""
    visible, amodal = (one, half) if one.kind == "visible" else (half, one)
    near = half.since - one.since <= max(CLOSE, one.before / 2.0)
    return near and amodal.ids <= visible.ids


class Feed:
    """Follows one camera: how time goes by its pictures' stamps, and the newest answer for one of them.

    The answer has its picture's moment for a stamp. `now` is as for Pairs.
    """

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.newest: Answer | None = None
        self.seen: Seen | None = None
        self._pairs = Pairs()
        self._fresh = False
        self._early: tuple[Answer, float] | None = None
        self._dropped: deque[Dropped] = deque(maxlen=TOLD)

    def see(self, message: Any, now: float | None = None) -> Seen:
        """Take in a picture's stamp; where a new era begins, what was before is forgotten.

        An answer that came well ahead of its picture is the `newest` from then on.
        """
        now = time.monotonic() if now is None else now
        self.seen = seen = self.timeline.see(stamp_of(message), now)
        if seen.anew:
            self._pairs.go_back(seen.moment)
        self._pairs.expire(now)
        # An answer may overtake its picture, also the first one after time went back.
        newest, fresh, self._fresh = self.newest, self._fresh, False
        if newest is not None and (newest.stamp > seen.moment + JUMP * 1e9 or (seen.anew and not fresh)):
            self.newest = None
        if self._early is not None:
            (early, since), ahead = self._early, self.timeline.ahead(self._early[0].stamp)
            if not ahead or seen.anew or now - since > PATIENCE:
                self._early = None
            if not ahead:
                self._adopt(early)
            elif self._early is None:
                self._drop(early, BACK if seen.anew else AHEAD)
        return seen

    def add(self, kind: Kind, array: Any, now: float | None = None) -> Answer | None:
        """Take in an array; return its answer once both are here, its picture may be, and no later one was before."""
        now = time.monotonic() if now is None else now
        pair = self._pairs.add(kind, array, now)
        if pair is None:
            return None
        if self.timeline.ahead(pair.stamp):
            if self._early is not None:
                self._drop(self._early[0], AHEAD)
            self._early = (pair, now)
            return None
        return self._adopt(pair)

    def _adopt(self, pair: Answer) -> Answer | None:
        moment = self.timeline.answer(pair.stamp)
        if moment is None:
            self._drop(pair, FOREIGN)
            return None
        if self.newest is not None and moment < self.newest.stamp <= moment + JUMP * 1e9:
            self._drop(pair, LATE)
            return None
        self.newest, self._fresh = Answer(moment, pair.visible, pair.amodal), True
        return self.newest

    def expire(self, now: float | None = None) -> None:
        """Drop the halves that have waited too long, where neither pictures nor boxes come to tell the time."""
        self._pairs.expire(time.monotonic() if now is None else now)

    def forget(self) -> None:
        """Drop the answer: it was to another instruction."""
        self.newest = None

    def dropped(self) -> list[Dropped]:
        """Give what was dropped since this was asked last."""
        told = [*self._dropped, *self._pairs.dropped()]
        self._dropped.clear()
        return told

    def _drop(self, pair: Answer, why: str) -> None:
        self._dropped.append(Dropped(pair.stamp, "visible", pair.visible, why))


class Join(Feed):
    """Keeps recent pictures as well, and gives each answer its picture."""

    def __init__(self, seconds: float, memory: PictureMemory | None = None) -> None:
        super().__init__()
        self.pictures = memory if memory is not None else PictureMemory(seconds)

    def picture(self, message: Any, now: float | None = None) -> Answer | None:
        """Keep a picture, whose moment is then in `seen`; return its answer where that was here first."""
        seen = self.see(message, now)
        if seen.anew:
            self.pictures.clear()
        self.pictures.keep(seen.moment, message)
        return self.newest if self.newest is not None and self.newest.stamp == seen.moment else None

    def visible(self, array: Any, now: float | None = None) -> Any | None:
        """Take in visible boxes; return the picture once both of its arrays have come, if it is still here."""
        answer = self.add("visible", array, now)
        return self.pictures.at(answer.stamp) if answer is not None else None

    def amodal(self, array: Any, now: float | None = None) -> Any | None:
        """Take in amodal boxes; return the picture once both of its arrays have come, if it is still here."""
        answer = self.add("amodal", array, now)
        return self.pictures.at(answer.stamp) if answer is not None else None
