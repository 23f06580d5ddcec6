"""Brings both boxes, the depth and the camera of one picture together by their exact stamp, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from egm_core.joining import BUFFER_BYTES, Stamp, stamp_of

Slot = Literal["visible", "amodal", "depth", "camera_info"]
SLOTS: tuple[Slot, ...] = ("visible", "amodal", "depth", "camera_info")

# Answers that wait, and camera infos that are kept, at most.
ANSWERS = 64
INFOS = 512
# Stamps that go back this far (seconds) mean that time has jumped; less is a message out of order.
JUMP = 0.5


@dataclass(frozen=True)
class Match:
    """The messages of one picture; depth and camera info are None where nothing was found and none is needed."""

    visible: Any
    amodal: Any
    depth: Any | None = None
    camera_info: Any | None = None


@dataclass(frozen=True)
class Missing:
    """An answer that waited in vain: its stamp, what it lacks, and how far off (seconds) the nearest of that was.

    `gone` says that it is older than what is kept, so that its own may have come and been dropped.
    """

    stamp: Stamp
    visible: Any
    lacks: tuple[Slot, ...]
    nearest: float | None
    gone: bool = False


@dataclass
class _Answer:
    since: float
    parts: dict[Slot, Any] = field(default_factory=dict)


class Matching:
    """Keeps what has come until its answer is whole; depth is kept for `seconds`, answers wait for `patience`."""

    def __init__(self, seconds: float, patience: float, limit: int = BUFFER_BYTES) -> None:
        self.seconds, self.patience, self.limit = seconds, patience, limit
        self.bytes = 0
        self._answers: OrderedDict[Stamp, _Answer] = OrderedDict()
        self._depths: OrderedDict[Stamp, Any] = OrderedDict()
        self._infos: OrderedDict[Stamp, Any] = OrderedDict()

    def add(self, slot: Slot, message: Any, now: float) -> Match | None:
        """Take in a message; return its answer where that is whole now. `now` is seconds of a clock that never jumps.

        An answer without boxes is whole without a depth.
        """
        stamp = stamp_of(message)
        if slot == "depth":
            self._keep(stamp, message)
        elif slot == "camera_info":
            self._infos[stamp] = message
            while len(self._infos) > INFOS:
                self._infos.popitem(last=False)
        else:
            self._answers.setdefault(stamp, _Answer(now)).parts[slot] = message
            while len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)
        return self._whole(stamp)

    def late(self, now: float) -> list[Missing]:
        """Give up on the answers that have waited too long, and say what each lacks."""
        over = [stamp for stamp, answer in self._answers.items() if now - answer.since > self.patience]
        found = []
        for stamp in over:
            parts = self._answers.pop(stamp).parts
            kept: dict[Slot, Any] = {**parts, "depth": self._depths.get(stamp), "camera_info": self._infos.get(stamp)}
            lacks = tuple(slot for slot in SLOTS if kept.get(slot) is None)
            others = self._infos if "depth" not in lacks else self._depths
            nearest = min((abs(other - stamp) / 1e9 for other in others), default=None)
            found.append(Missing(stamp, parts.get("visible"), lacks, nearest, stamp < min(others, default=0)))
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._answers.clear()
        self._depths.clear()
        self._infos.clear()
        self.bytes = 0

    def went_back(self, message: Any) -> bool:
        """Say whether a depth image is from before time went back."""
        return bool(self._depths) and stamp_of(message) < max(self._depths) - JUMP * 1e9

    def _keep(self, stamp: Stamp, message: Any) -> None:
        before = self._depths.pop(stamp, None)
        self.bytes += len(message.data) - (len(before.data) if before is not None else 0)
        self._depths[stamp] = message
        newest = max(self._depths)
        while len(self._depths) > 1 and (
            newest - next(iter(self._depths)) > self.seconds * 1e9 or self.bytes > self.limit
        ):
            self.bytes -= len(self._depths.popitem(last=False)[1].data)

    def _whole(self, stamp: Stamp) -> Match | None:
        answer = self._answers.get(stamp)
        if answer is None or not {"visible", "amodal"} <= set(answer.parts):
            return None
        depth, info = self._depths.get(stamp), self._infos.get(stamp)
        if answer.parts["visible"].detections and (depth is None or info is None):
            return None
        parts = self._answers.pop(stamp).parts
        return Match(parts["visible"], parts["amodal"], depth, info)
