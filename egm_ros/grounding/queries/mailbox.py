"""A mailbox with one slot: the newest image waits, every older one is dropped unread."""

from __future__ import annotations

import threading
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


class Mailbox:
    """Holds the newest frame until somebody takes it, and counts what came and what was replaced.

    `newest` is the frame that came last, taken or not.

    `condition` guards everything here; a caller that waits for a frame and for something else passes its own.
    """

    def __init__(self, condition: threading.Condition | None = None) -> None:
        self.condition = condition or threading.Condition()
        self.received = 0
        self.dropped = 0
        self.newest: Frame | None = None
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> None:
        """Leave a frame; the one that waited, if any, is dropped."""
        with self.condition:
            self.received += 1
            self.dropped += self._frame is not None
            self._frame = self.newest = frame
            self.condition.notify_all()

    def take(self) -> Frame | None:
        """Take the waiting frame out; None if there is none."""
        with self.condition:
            frame, self._frame = self._frame, None
            return frame

    @property
    def full(self) -> bool:
        """Whether a frame waits."""
        return self._frame is not None

    def clear(self) -> None:
        """Forget the frames and the counts."""
        with self.condition:
            self._frame = self.newest = None
            self.received = self.dropped = 0
