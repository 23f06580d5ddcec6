"""Brings a picture, its visible boxes and its amodal boxes together by their stamp. Nothing here imports ROS."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from egm_core.boxes import Box

Stamp = int  # nanoseconds

# Pictures that wait for their answer may take this much memory at most.
BUFFER_BYTES = 256 * 1024 * 1024


def stamp_of(message: Any) -> Stamp:
    """Give a message's stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def box_of(detection: Any) -> Box:
    """Give a vision_msgs/Detection2D's box as xyxy in pixels."""
    center, box = detection.bbox.center.position, detection.bbox
    width, height = box.size_x / 2.0, box.size_y / 2.0
    return (center.x - width, center.y - height, center.x + width, center.y + height)


@dataclass(frozen=True)
class Answer:
    """The boxes for the picture of a stamp; either array is None until it has come."""

    stamp: Stamp
    visible: Any | None = None
    amodal: Any | None = None

    @property
    def complete(self) -> bool:
        """Whether both arrays have come."""
        return self.visible is not None and self.amodal is not None


class Join:
    """Keeps recent pictures and the newest answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.newest: Answer | None = None
        self._pictures: OrderedDict[Stamp, Any] = OrderedDict()
        self._bytes = 0

    def picture(self, message: Any) -> Answer | None:
        """Keep a picture; return its answer where that was here first."""
        stamp = stamp_of(message)
        if stamp not in self._pictures:
            self._pictures[stamp] = message
            self._bytes += len(message.data)
        while self._pictures and (
            stamp - next(iter(self._pictures)) > self.seconds * 1e9 or self._bytes > BUFFER_BYTES
        ):
            self._bytes -= len(self._pictures.popitem(last=False)[1].data)
        return self.newest if self.newest is not None and self.newest.stamp == stamp else None

    def visible(self, array: Any) -> Any | None:
        """Take in visible boxes; return the picture once both of its arrays have come, if it is still here."""
        return self._answer(array, "visible")

    def amodal(self, array: Any) -> Any | None:
        """Take in amodal boxes; return the picture once both of its arrays have come, if it is still here."""
        return self._answer(array, "amodal")

    def forget(self) -> None:
        """Drop the answer: it was to another instruction."""
        self.newest = None

    def _answer(self, array: Any, kind: str) -> Any | None:
        stamp = stamp_of(array)
        if self.newest is None or stamp > self.newest.stamp:
            self.newest = Answer(stamp)
        if stamp < self.newest.stamp:
            return None
        self.newest = replace(self.newest, **{kind: array})
        return self._pictures.get(stamp) if self.newest.complete else None
