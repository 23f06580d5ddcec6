"""Whether an object is where its points say, by its colours: they fill its silhouette, and are not around that.

Points inside a visible box may be of something else, which hides a part of the object or shows through it. Where such
points win, the object's colours come out on one side of the silhouette, and leave the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, clip
from egm_core.propagation.colours import UNSEEN, around, binned, odds, own_cells, sample, shares
from egm_core.propagation.frames import SmallFrame
from egm_core.propagation.hiding import cut_sides
from egm_core.propagation.similarity import Similarity

# The visible box, enlarged by this part of itself on each side, has at most so many cells along a side.
GROW, CELLS = 0.3, 24
# Logarithms of odds count no further than this, which makes fits lie in [-2, 1].
SURE = 2.0
# Shifts by so many cells are tried; one has to fit so much better,
REACH, GAIN = 2, 0.2
# and this part of the fit that the object's own cells had in the answer's picture has to be there.
SOLID = 0.6


@dataclass(frozen=True, eq=False)
class Silhouette:
    """The (h, w) cells of `cell` (x, y) small pixels from a corner (x, y) on, as they are in the answer's picture.

    `table`, (C, BINS), tells by how much (logarithm of the odds, summed over the layers) a level speaks for the object,
    `own` and `outside`, (h, w), are weights that add up to 1: of the object's cells, and of those beside it which show
    other colours, but for sides that something hides. `solid` is the fit of its own cells.
    """

    corner: tuple[float, float]
    cell: tuple[float, float]
    own: NDArray[np.float32]
    outside: NDArray[np.float32]
    table: NDArray[np.float64]
    solid: float

    def corrected(self, frame: SmallFrame, motion: Similarity) -> Similarity | None:
        """Give the motion, shifted to where the object's colours are in a later picture; None where they are there."""
        levels = self._levels(frame, motion, 0)
        here = float((levels * self.own).sum() - (np.maximum(levels, 0) * self.outside).sum())
        if here > self.solid - GAIN:
            return None
        levels = self._levels(frame, motion, REACH)
        inside = cv2.matchTemplate(levels, self.own, cv2.TM_CCORR)
        fits = inside - cv2.matchTemplate(np.maximum(levels, 0), self.outside, cv2.TM_CCORR)
        y, x = (int(index) for index in np.unravel_index(int(fits.argmax()), fits.shape))
        if fits[y, x] - fits[REACH, REACH] < GAIN or inside[y, x] < SOLID * self.solid:
            return None
        right, down = motion.matrix @ (np.array([x - REACH, y - REACH]) * np.array(self.cell))
        return replace(motion, shift=(motion.shift[0] + float(right), motion.shift[1] + float(down)))

    def _levels(self, frame: SmallFrame, motion: Similarity, reach: int) -> NDArray[np.float32]:
        """Tell of the cells, and so many around them, how much they look like the object, in [-1, 1]."""
        rows, columns = self.own.shape
        x, y = (corner - reach * size for corner, size in zip(self.corner, self.cell, strict=True))
        shape = (rows + 2 * reach, columns + 2 * reach)
        now = binned(sample(frame, (x, y, x, y), self.cell, shape, motion))
        return np.asarray(np.minimum(np.maximum(odds(self.table, now), -SURE), SURE) / SURE, np.float32)


def outline(frame: SmallFrame, visible: Box, amodal: Box) -> Silhouette | None:
    """Look at an object in the answer's picture, boxes in small pixels; None where its colours do not tell it apart."""
    height, width = frame.grey.shape
    x0, y0, x1, y1 = visible
    across, up = GROW * (x1 - x0) + 2, GROW * (y1 - y0) + 2
    left, top, right, bottom = clip((x0 - across, y0 - up, x1 + across, y1 + up), width, height)
    size = np.array([right - left, bottom - top])
    columns, rows = (int(count) for count in np.ceil(np.minimum(size, CELLS)))
    if min(columns, rows) < 4:
        return None
    cell = (float(size[0] / columns), float(size[1] / rows))
    bins = binned(sample(frame, (left, top, right, bottom), cell, (rows, columns), Similarity()))
    edges = np.round((np.array(visible) - [left, top, left, top]) / np.tile(cell, 2)).astype(int)
    u0, v0, u1, v1 = (int(edge) for edge in edges)
    if u1 <= u0 or v1 <= v0:
        return None
    own = own_cells(bins, (u0, v0, u1, v1), around(frame, visible))
    beside = np.ones(own.shape, bool)
    beside[v0:v1, u0:u1] = False
    if not own.any() or not beside.any():
        return None
    table = np.log(shares(bins[own]) + UNSEEN) - np.log(shares(bins[~own]) + UNSEEN)
    levels = odds(table, bins)
    own, beside = own & (levels > 0), beside & (levels < 0)
    sides = (beside[:, :u0], beside[:v0], beside[:, u1:], beside[v1:])
    for side, cut in zip(sides, cut_sides(visible, amodal), strict=True):
        side &= not cut
    if not own.any() or not beside.any():
        return None
    solid = float(np.minimum(levels[own], SURE).mean() / SURE)
    weight = 1.0 / np.count_nonzero(own)
    inside, outside = (np.asarray(cells * weight, np.float32) for cells in (own, beside))
    return Silhouette((left, top), cell, inside, outside, table, solid)
