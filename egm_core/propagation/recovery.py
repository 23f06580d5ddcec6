"""Finds an object straight from the answer's picture, where it could not be followed from one picture to the next.

What passed in front, a blur or a few bad steps end the way of every point, though the object may be where it was. So it
is looked for with nothing but the answer's picture: first by its points, then by its colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from egm_core.propagation.frames import SmallFrame
from egm_core.propagation.hiding import Hiding
from egm_core.propagation.points import Followed
from egm_core.propagation.silhouette import Silhouette
from egm_core.propagation.similarity import Points, Similarity, fit

# So many of an object's first points, and such a part of them, have to be found again in one motion.
LEAST_AGAIN, LEAST_PART_AGAIN = 6, 0.3
# This part of the object's cells has to look as before for it to be taken to be there, though no points tell.
LEAST_SAME = 0.5
# Parts that differ by less than this are much the same.
ABOUT = 0.1
# Guesses that differ by less than this, in pixels, are one.
NEAR = 1.0


def distinct(guesses: Sequence[Similarity], points: Points) -> list[Similarity]:
    """Leave out guesses that take points, (N, 2), to within a pixel of where another one does: they find the same."""
    if not len(points):
        return list(guesses)
    kept: list[tuple[Similarity, Points]] = []
    for guess in guesses:
        there = guess.of(points)
        if all(np.abs(there - other).max() > NEAR for _, other in kept):
            kept.append((guess, there))
    return [guess for guess, _ in kept]


@dataclass(frozen=True, eq=False)
class Looks:
    """An object in the answer's picture: that picture, the first points on it, how its cells look, its silhouette."""

    start: SmallFrame
    points: Followed
    hiding: Hiding
    silhouette: Silhouette | None

    def without(self, homes: Points) -> Looks:
        """Leave out first points, (N, 2), that turned out to be of something else."""
        apart = np.abs(self.points.home[:, None] - homes[None]).max(2) if len(homes) else np.ones((len(self.points), 1))
        return replace(self, points=self.points.only(apart.min(1) > 0))

    def again(
        self, frame: SmallFrame, guesses: Sequence[Similarity], margin: float
    ) -> tuple[Similarity, Followed] | None:
        """Find the motion to a later picture, near one of the guesses, that most first points agree on, and these.

        None where too few do. Points of one object may disagree by `margin` pixels.
        """
        best: tuple[Similarity, Followed] | None = None
        least = max(LEAST_AGAIN, LEAST_PART_AGAIN * len(self.points))
        places = [guess.of(self.points.home) for guess in distinct(guesses, self.points.home)]
        for there in self.points.from_home(self.start.grey, frame.grey, places):
            found = fit(there.home, there.now, margin)
            if found is not None and found[1].sum() >= max(least, len(best[1]) + 1 if best is not None else 0):
                best = found[0], there.only(found[1])
        return best

    def place(self, frame: SmallFrame, guesses: Sequence[Similarity]) -> Similarity | None:
        """Give the first guess at which about the most of the object's cells look as before; None where too few do."""
        same = np.array([self.hiding.alike(frame, guess) for guess in guesses])
        best = int(np.argmax(same >= same.max() - ABOUT))
        return guesses[best] if same.max() >= LEAST_SAME else None
