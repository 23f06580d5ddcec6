"""When the next query may start: at the rate, or ahead of it where somebody asked for a refresh."""

from __future__ import annotations

import math


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
