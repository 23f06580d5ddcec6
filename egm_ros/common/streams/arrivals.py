"""Counts what comes on a topic, and how often."""

from __future__ import annotations

from collections import deque

WINDOW = 5.0


class Arrivals:
    """What comes on one topic: how many a second over the last seconds, and how old the newest is.

    All times are monotonic seconds; `age` is by the message's stamp.
    """

    def __init__(self) -> None:
        self.newest: float | None = None
        self.age = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self.total = 0

    def came(self, now: float, age: float) -> None:
        """Note one that came now and was `age` seconds old."""
        self.newest, self.age = now, age
        self.total += 1

    def rate(self, now: float) -> float:
        """Give how many came a second since a call of this about five seconds ago; call it every second or so."""
        self._marks.append((now, self.total))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW:
            self._marks.popleft()
        then, before = self._marks[0]
        return (self.total - before) / (now - then) if now > then else 0.0

    def silent(self, now: float, since: float) -> float:
        """Give how long none has come, counted from `since` at the earliest."""
        return now - max(since, self.newest if self.newest is not None else since)
