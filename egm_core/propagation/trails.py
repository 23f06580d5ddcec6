"""Which objects of a new answer are those of the answers before: by where these were in the new answer's picture.

Boxes of one target are compared at one moment, so that it does not matter how far things have moved since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from egm_core.assignment import assigned
from egm_core.boxes import Box, area, intersection, iou
from egm_core.streams.timeline import Stamp

# Boxes of one object overlap by this much of both, the visible or the amodal ones,
LEAST_SAME = 0.3
# or one lies to this part in the other, and is no smaller than this part of it: it is hidden more, or told tightly.
LEAST_INSIDE, LEAST_PART = 0.8, 0.1


@dataclass(frozen=True)
class Spot:
    """Where an object is in one picture: its visible and its amodal box (None: unknown), and whose it is.

    `number` and `line` are those of its target: either may have changed where the other is the same.
    """

    number: str
    line: str
    visible: Box
    amodal: Box | None = None


def sameness(one: Spot, two: Spot) -> float:
    """Tell how much two spots of one picture speak for one object, in [0, 1]; 0: they are of two."""
    if (one.number, one.line) != (two.number, two.line):
        return 0.0
    whole = iou(one.amodal, two.amodal) if one.amodal is not None and two.amodal is not None else 0.0
    overlap = max(iou(one.visible, two.visible), whole)
    smaller = min(area(one.visible), area(two.visible))
    inside = intersection(one.visible, two.visible) / smaller if smaller > 0 else 0.0
    same = overlap >= LEAST_SAME or (inside >= LEAST_INSIDE and overlap >= LEAST_PART)
    return overlap if same else 0.0


class Trails:
    """Where each object was in the pictures of the last `seconds`, by its id; of one camera without a jump in time.

    Ids are never given twice.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._spots: dict[Stamp, dict[str, Spot]] = {}
        self._given = 0

    def note(self, moment: Stamp, spots: Mapping[str, Spot]) -> None:
        """Keep where objects are in a picture; what an earlier answer told of the same object there is replaced."""
        if spots:
            self._spots[moment] = self._spots.get(moment, {}) | dict(spots)
        newest = max(self._spots, default=moment)
        for old in [other for other in self._spots if newest - other > self.seconds * 1e9]:
            del self._spots[old]

    def at(self, moment: Stamp, within: float) -> dict[str, Spot]:
        """Give where each object was nearest to a moment, if that is known no more than so many seconds from it."""
        found: dict[str, Spot] = {}
        for other in sorted(self._spots, key=lambda other: abs(other - moment)):
            if abs(other - moment) > within * 1e9:
                break
            found = self._spots[other] | found
        return found

    def names(self, moment: Stamp, spots: Sequence[Spot], within: float) -> list[str]:
        """Name the objects of an answer about the picture of a moment: by the ids that they have, or new ones.

        Where several may be the same, they are paired one to one so that the boxes overlap the most in all.
        """
        known = self.at(moment, within)
        ids = list(known)
        worth = np.array([sameness(known[name], spot) for name in ids for spot in spots])
        held = {column: ids[row] for row, column in assigned(worth.reshape(len(ids), len(spots)))}
        return [held.get(number) or self._new(spot.number) for number, spot in enumerate(spots)]

    def forget(self, but: Collection[str] = ()) -> None:
        """Forget where the objects of all lines were, but of these."""
        for moment, spots in list(self._spots.items()):
            kept = {name: spot for name, spot in spots.items() if spot.line in but}
            if kept:
                self._spots[moment] = kept
            else:
                del self._spots[moment]

    def _new(self, number: str) -> str:
        self._given += 1
        return f"{number}:t{self._given}"
