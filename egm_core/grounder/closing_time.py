"""How long it takes here of late from an engine's last word, or from a cut, until the answer is out."""

from __future__ import annotations

# Seconds at least, and the most of a deadline, that are kept for it.
LEAST = 0.02
MOST = 0.5
# Of the slowest of late: a machine that is busy now may be busier in a moment.
HEADROOM = 1.5
# With each answer the slowest fades; after a hundred answers a twentieth is left of it.
FADING = 0.97


class ClosingTime:
    """The slowest of late, from which follows how long before a deadline nothing more is waited for."""

    def __init__(self) -> None:
        self.slowest = 0.0
        self._first = True

    def margin(self, limit: float) -> float:
        """Give the seconds to keep of a deadline of so many seconds."""
        return min(MOST * limit, max(LEAST, HEADROOM * self.slowest))

    def took(self, seconds: float) -> None:
        """Note an answer; the first one, which reads what later ones have, does not count."""
        self.slowest = 0.0 if self._first else max(seconds, FADING * self.slowest)
        self._first = False
