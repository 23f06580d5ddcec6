"""How long it takes here of late from a cut, shortly before a deadline, until the answer is out."""

from __future__ import annotations

# What is kept for it at least: seconds, and a part of the deadline; and the most.
LEAST = 0.02
LEAST_PART = 0.02
MOST_PART = 0.5
# Of the slowest of late: a machine that is busy now may be busier in a moment.
HEADROOM = 1.5
# With each cut the slowest fades; after a hundred cuts a twentieth is left of it.
FADING = 0.97


class ClosingTime:
    """The slowest of late, from which follows how long before a deadline nothing more is waited for.

    Answers of which nothing was cut are quicker, for the engine is done; they tell nothing of those that are cut.
    """

    def __init__(self) -> None:
        self.slowest = 0.0
        self._first = True

    def margin(self, limit: float) -> float:
        """Give the seconds to keep of a deadline of so many seconds."""
        return min(MOST_PART * limit, max(LEAST, LEAST_PART * limit, HEADROOM * self.slowest))

    def took(self, seconds: float | None) -> None:
        """Note an answer, None where nothing was cut; the first one does not count, for it reads what others have."""
        if seconds is not None and not self._first:
            self.slowest = max(seconds, FADING * self.slowest)
        self._first = False
