"""Each camera's newest image, not decoded, and how many came."""

from __future__ import annotations

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
