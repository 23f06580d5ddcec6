"""Brings both boxes, the depth and the camera of one picture together by their stamp, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

from egm_core.lifting.depth_memory import DepthMemory, Thin, as_it_came
from egm_core.streams.joining import ALONE, BACK, Dropped, Pairs, Stamp, stamp_of
from egm_core.streams.picture_memory import LIMIT
from egm_core.streams.timeline import JUMP, Seen, Timeline

Slot = Literal["visible", "amodal", "depth", "camera_info"]

# Answers that wait, and camera infos that are kept, at most: a minute of a fast camera's.
ANSWERS = 64
INFOS = 4096


@dataclass(frozen=True)
class Match:
    """The messages of one picture; depth and camera info are None where nothing was found and none is needed.

    `offset` is by how many seconds the depth is of later than the picture.
    """

    visible: Any
    amodal: Any
    depth: Any | None = None
    camera_info: Any | None = None
    offset: float = 0.0


@dataclass(frozen=True)
class Missing:
    """An answer that waited in vain: its stamp, what it lacks, and how far off (seconds) the nearest of that was.

    `boxes` is the visible array, or the amodal one where that came alone. `gone` says that the answer is older than
    what is kept, so that its own may have come and been dropped, `full` that this was for want of memory; `ahead`
    that it is of later than all of that; `clockless` that what should have its stamp has none.
    """

    stamp: Stamp
    boxes: Any
    lacks: tuple[Slot, ...]
    nearest: float | None
    gone: bool = False
    ahead: bool = False
    clockless: bool = False
    full: bool = False


@dataclass(frozen=True)
class _Waiting:
    since: float
    visible: Any
    amodal: Any


# Answers about several targets have one stamp, and ids of their own.
_Key = tuple[Stamp, frozenset[str]]


class Matching:
    """Keeps what has come until its answer is whole: depth for `seconds` in `limit` bytes, answers for `patience`.

    The stamps of the depth images say how time goes: where it goes back, everything of before is forgotten. Without
    a clock there, an answer belongs to the newest depth; a camera info without a stamp belongs to every picture.
    Where nothing has the very stamp of an answer, `settled` takes what is nearest and no more than `slop` seconds off.
    """

    def __init__(
        self, seconds: float, patience: float, limit: int = LIMIT, thin: Thin = as_it_came, slop: float = 0.0
    ) -> None:
        self.depths, self.patience, self.slop = DepthMemory(seconds, limit, thin), patience, slop
        self.timeline = Timeline()
        self.info_time = Timeline()
        self.seen: Seen | None = None
        self._pairs = Pairs(patience)
        self._answers: OrderedDict[_Key, _Waiting] = OrderedDict()
        self._last: Stamp = 0
        self._infos: OrderedDict[Stamp, Any] = OrderedDict()
        self._seen_at = 0.0
        self._dropped: list[Dropped] = []

    def add(self, slot: Slot, message: Any, now: float) -> Match | None:
        """Take in a message; return its answer where that is whole now. `now` is seconds of a clock that never jumps.

        An answer without boxes is whole without a depth. `seen` says what the stamp of the last depth told.
        """
        stamp = stamp_of(message)
        if slot == "depth":
            seen = self.timeline.see(stamp, now)
            if seen.anew:
                self._go_back(seen.moment)
            self.seen, self._seen_at = seen, now
            self.depths.keep(seen.moment, message)
        elif slot == "camera_info":
            self.info_time.see(stamp, now)
            self._infos.pop(stamp, None)
            self._infos[stamp] = message
            while len(self._infos) > INFOS:
                self._infos.popitem(last=False)
        else:
            pair = self._pairs.add(slot, message, now)
            if pair is not None:
                key = (stamp, frozenset(getattr(entry, "id", "") for entry in pair.visible.detections))
                if key in self._answers:
                    self._drop(key, "another answer with the same stamp came before its depth or its camera info")
                self._answers[key] = _Waiting(now, pair.visible, pair.amodal)
                if len(self._answers) > ANSWERS:
                    self._drop(next(iter(self._answers)), f"more than {ANSWERS} answers wait for their depth")
        self._last = stamp
        return self.another()

    def another(self) -> Match | None:
        """Give one more answer that is whole by the message that came last: about several targets there may be."""
        for key in [key for key in self._answers if key[0] == self._last]:
            match = self._whole(key)
            if match is not None:
                return match
        return None

    def settled(self, now: float) -> list[Match]:
        """Give the answers that are whole with what is nearest to their stamp, as nothing nearer is to come.

        Depth comes in the order of its stamps, so that later depth settles it, or the end of an answer's patience.
        """
        if not self.slop or self.timeline.clockless:
            return []
        waiting = list(self._answers.items())
        found = [self._near(key, now - answer.since > self.patience) for key, answer in waiting]
        return [match for match in found if match is not None]

    def late(self, now: float) -> list[Missing]:
        """Give up on the answers that have waited too long, and say what each lacks."""
        self._pairs.patience = self.patience
        self._pairs.expire(now)
        found = []
        for half in self._pairs.dropped():
            if half.why == ALONE:
                lacks: Slot = "amodal" if half.kind == "visible" else "visible"
                found.append(self._missing(half.stamp, half.array, (lacks,)))
            else:
                self._dropped.append(half)
        for key in [key for key, answer in self._answers.items() if now - answer.since > self.patience]:
            found.append(self._missing(key[0], self._answers.pop(key).visible))
        return found

    def dropped(self) -> list[Dropped]:
        """Give what was dropped since this was asked last, without what `late` told."""
        told, self._dropped = self._dropped, []
        return told

    def _missing(self, stamp: Stamp, boxes: Any, lacks: tuple[Slot, ...] = ()) -> Missing:
        kept: dict[Slot, Any] = {"depth": self._depth_of(stamp), "camera_info": self._info_of(stamp)}
        lacks = (*lacks, *(slot for slot, message in kept.items() if message is None))
        others = tuple(self._infos) if "depth" not in lacks else self.depths.moments
        nearest = min((abs(other - stamp) / 1e9 for other in others), default=None)
        gone = stamp < min(others, default=0)
        ahead = bool(others) and stamp > max(others) + JUMP * 1e9
        clockless = "depth" in lacks and bool(self.timeline.clockless)
        full = "depth" in lacks and self.depths.crowded_out(stamp)
        return Missing(stamp, boxes, lacks, nearest, gone, ahead, clockless, full)

    def _go_back(self, moment: Stamp) -> None:
        """Forget what is of before time went back to this moment; what came since the last depth may be of after it."""
        self.depths.clear()
        limit = moment + JUMP * 1e9
        for key, answer in list(self._answers.items()):
            if key[0] > limit or answer.since < self._seen_at:
                self._drop(key, BACK)
        for stamp in [stamp for stamp in self._infos if stamp > limit]:
            del self._infos[stamp]
        self._pairs.go_back(moment)

    def _drop(self, key: _Key, why: str) -> None:
        answer = self._answers.pop(key)
        self._dropped.append(Dropped(key[0], "visible", answer.visible, why))

    def _depth_of(self, stamp: Stamp) -> Any | None:
        moment = self.timeline.answer(stamp)
        return self.depths.at(stamp if moment is None else moment)

    def _info_of(self, stamp: Stamp) -> Any | None:
        """Give the camera info of a stamp; the newest where either of them has no clock."""
        newest = next(reversed(self._infos.values()), None) if stamp == 0 or self.info_time.clockless else None
        return self._infos.get(stamp) or newest

    def _near(self, key: _Key, last: bool) -> Match | None:
        """Make an answer whole with what is within reach of its stamp, if later depth has come or it is the last time.

        `_whole` has the very stamp's, and has tried before.
        """
        stamp, moments, reach = key[0], self.depths.moments, self.slop * 1e9
        if not moments or (max(moments) < stamp and not last):
            return None
        moment, at = (min(kept, key=lambda other: abs(other - stamp)) for kept in (moments, self._infos or [stamp]))
        info = self._info_of(stamp) or (self._infos.get(at) if abs(at - stamp) <= reach else None)
        if abs(moment - stamp) > reach or info is None:
            return None
        answer = self._answers.pop(key)
        return Match(answer.visible, answer.amodal, self.depths.at(moment), info, (moment - stamp) / 1e9)

    def _whole(self, key: _Key) -> Match | None:
        answer = self._answers[key]
        depth, info = self._depth_of(key[0]), self._info_of(key[0])
        if answer.visible.detections and (depth is None or info is None):
            return None
        del self._answers[key]
        return Match(answer.visible, answer.amodal, depth, info)
