"""Points on an object: where they were in the answer's picture, where they are now, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egm_core.propagation.flow import follow
from egm_core.propagation.similarity import Mask, Points


@dataclass(frozen=True, eq=False)
class Followed:
    """Points on the object: where they were in the answer's picture, where they are, what they look like.

    `home` and `now` are (N, 2) in small pixels, `looks` (N, P) normalised patches, `steps` (N,) how long each has
    moved like the others.
    """

    home: Points
    now: Points
    looks: NDArray[np.float32]
    steps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.home)

    def only(self, kept: Mask) -> Followed:
        """Leave out points."""
        return Followed(self.home[kept], self.now[kept], self.looks[kept], self.steps[kept])

    def and_also(self, other: Followed) -> Followed:
        """Add points."""
        return Followed(
            np.concatenate([self.home, other.home]),
            np.concatenate([self.now, other.now]),
            np.concatenate([self.looks, other.looks]),
            np.concatenate([self.steps, other.steps]),
        )

    def from_home(self, start: NDArray[np.uint8], grey: NDArray[np.uint8], guesses: Sequence[Points]) -> list[Followed]:
        """Follow them straight from the answer's picture to another one, for each of the places where they may be."""
        count = len(guesses)
        home, looks = np.tile(self.home, (count, 1)), np.tile(self.looks, (count, 1))
        ends, good = follow(start, grey, home, looks, np.concatenate(guesses))
        return [
            replace(self, now=there).only(kept)
            for there, kept in zip(np.split(ends, count), np.split(good, count), strict=True)
        ]
