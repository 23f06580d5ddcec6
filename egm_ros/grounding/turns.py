"""Whose turn it is, and when: each camera's newest image, the camera that waits longest, and the rate of queries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """One image message as it arrived: not decoded, with the monotonic time of its arrival in seconds.

    `lap` counts how often time had gone back on its camera.
    """

    message: Any
    arrived: float
    camera: str = ""
    lap: int = 0


class Slot:
    """One camera's place: the newest image waits, every older one is dropped unread, and both are counted.

    `newest` is the image that came last, taken or not.
    """

    def __init__(self) -> None:
        self.received = 0
        self.dropped = 0
        self.newest: Frame | None = None
        self.waiting: Frame | None = None

    def put(self, frame: Frame) -> None:
        """Leave an image; the one that waited, if any, is dropped."""
        self.received += 1
        self.dropped += self.waiting is not None
        self.waiting = self.newest = frame

    def take(self) -> Frame | None:
        """Take the waiting image out; None if there is none."""
        frame, self.waiting = self.waiting, None
        return frame


class Turns:
    """The cameras' places, and the order of their turns; a camera has one image under way at most.

    So no fast camera starves a slow one, and the answers of one camera keep the order of its images. One thread only
    may change it; the counts may be read from others.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self.slots = {camera: Slot() for camera in cameras}
        self._last = dict.fromkeys(self.slots, 0)
        self._under_way: set[str] = set()

    def put(self, frame: Frame) -> None:
        """Leave an image in its camera's place."""
        self.slots[frame.camera].put(frame)

    def waiting(self) -> list[str]:
        """List the cameras that have an image and none under way, in the order of their turns."""
        able = [name for name, slot in self.slots.items() if slot.waiting is not None and name not in self._under_way]
        return sorted(able, key=self._last.__getitem__)

    def take(self, camera: str) -> Frame | None:
        """Begin a camera's turn with the image that waits; it ends by `done`."""
        frame = self.slots[camera].take()
        if frame is not None:
            self._last[camera] = 1 + max(self._last.values())
            self._under_way.add(camera)
        return frame

    def done(self, camera: str) -> None:
        """End a camera's turn."""
        self._under_way.discard(camera)

    def clear(self) -> None:
        """Forget the images and the counts, but not what is under way."""
        self.slots.update({camera: Slot() for camera in self.slots})


class Pace:
    """One rate for all cameras together, and a refresh for each; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._due = 0.0
        self._refresh: dict[str, float] = {}
        self._refreshed: dict[str, float] = {}

    def due(self, camera: str) -> float:
        """Give the time from which a camera may be asked about."""
        return min(self._due, self._refresh.get(camera, math.inf))

    def started(self, camera: str, now: float, rate: float) -> None:
        """A query started: the next one is due by `rate` in Hz (0: at once), and the camera's refresh is served."""
        self._due = now + 1.0 / rate if rate else 0.0
        if self._refresh.pop(camera, None) is not None:
            self._refreshed[camera] = now

    def refresh(self, camera: str, now: float, interval: float) -> None:
        """Let the camera's next query start ahead of the rate, but `interval` seconds after its last refresh."""
        self._refresh.setdefault(camera, max(now, self._refreshed.get(camera, -math.inf) + interval))

    def restart(self) -> None:
        """Forget the last query: the rate has changed."""
        self._due = 0.0

    def forget(self) -> None:
        """Drop the refreshes that wait: there is nothing to ask any more."""
        self._refresh.clear()
