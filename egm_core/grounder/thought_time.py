"""How long a thought takes here of late, so that none is begun that cannot end in time."""

from __future__ import annotations

WEIGHT = 0.3
# After a cut the time that it would have taken is not known; each time that none is begun the guess comes down, so that
# one is tried again once the engine may have become quicker.
GROWTH = 2.0
SHRINKAGE = 0.9


class ThoughtTime:
    """A running mean of the seconds that thoughts took, and a guess where they were cut."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def fits(self, left: float) -> bool:
        """Tell whether a thought can be expected to end within so many seconds."""
        if left <= 0.0:
            return False
        if self.seconds <= left:
            return True
        self.seconds *= SHRINKAGE
        return False

    def ended(self, seconds: float) -> None:
        """Note a thought that ended by itself."""
        self.seconds += (WEIGHT if self.seconds else 1.0) * (seconds - self.seconds)

    def cut(self, seconds: float) -> None:
        """Note a thought that had not ended after so many seconds."""
        self.seconds = max(self.seconds, GROWTH * seconds)
