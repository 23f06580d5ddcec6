"""Notices that a camera has fallen silent, once for each silence."""

from __future__ import annotations


class Silence:
    """Compares the time of the last image with a limit; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._since = 0.0
        self._told = True

    def restart(self, now: float) -> None:
        """An image came, or waiting for one begins: count from now."""
        self._since = now
        self._told = False

    def broken(self, now: float, limit: float) -> float:
        """Return how long the silence has lasted if it is over the limit and was not told yet, else 0."""
        lasted = now - self._since
        if self._told or lasted <= limit:
            return 0.0
        self._told = True
        return lasted
