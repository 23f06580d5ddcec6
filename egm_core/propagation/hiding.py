"""Where the visible box of an object ends that is carried along, while something comes before it, or goes away from it.

The object's motion tells where each piece of its picture must be now. A side on which no piece looks as it did is
hidden. What lay hidden beside the visible box, and no longer looks like what hid it, has come out. The edge of the
picture stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, area, as_box, clip
from egm_core.propagation.colours import BINS, UNSEEN, around, binned, odds, own_cells, sample, shares
from egm_core.propagation.frames import SmallFrame
from egm_core.propagation.similarity import Mask, Points, Similarity

# The amodal box's picture has at most so many cells along a side.
CELLS = 64
# A cell looks as before within so many levels, of grey and of both chromas, of it and its neighbours; where the grey
# levels of these differ by BUSY, all would.
LEVELS, BUSY = (16, 12, 12), 70
# A piece of the object is so many of its cells, connected; a smaller one may look as before by chance.
LEAST_PIECE, LEAST_PIECE_CELLS = 0.015, 3
# With less of the object's cells left than this, nothing is said about its sides: the motion may be wrong as well.
LEAST_LEFT = 0.04
# A side is hidden if so many of the object's cells lie there, on this part of the box's width or height.
LEAST_HIDDEN, LEAST_PART, LEAST_CELLS = 0.06, 0.08, 1.5
# A column (or row) beside the visible box has come out when this part of what looked hidden in it no longer does; to
# tell, this part of all there has to have looked hidden.
LEAST_OUT, LEAST_COVERED = 0.3, 0.5
# A side is cut where it is inside the amodal box by this part of that box, and by so many pixels.
CUT, CUT_PIXELS = 0.04, 1.0
# A side this close to the picture's edge, in pixels, is cut by that.
EDGE = 1.0
# A cell and its neighbours.
NEAR = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Hiding:
    """What an object, and what hides it, look like in the answer's picture; the boxes are in small pixels.

    The amodal box is cut into (h, w) cells of `cell` (x, y) pixels, which have C layers: grey, and both chromas where
    the camera has colour. `low` and `high`, (h, w, C), are the lowest and the highest levels in which a cell looks as
    before, `own`, (h, w), the cells that are the object's for certain, `inside` the visible box in cells, `foreign`,
    (4, C, BINS), by how much (logarithm of the odds, summed over the layers) a level speaks for what is beyond its
    left, upper, right and lower side against the object (everything does where the side isn't cut), and `covered`,
    (h, w), the cells there that aren't the object's.
    """

    visible: Box
    amodal: Box
    cell: tuple[float, float]
    low: NDArray[np.uint8]
    high: NDArray[np.uint8]
    own: Mask
    inside: tuple[int, int, int, int]
    foreign: NDArray[np.float64]
    covered: Mask

    def boxes(self, frame: SmallFrame, motion: Similarity, points: Points) -> tuple[Box, Box]:
        """Give the visible and the amodal box in a later picture, both carried by the object's motion.

        `points`, (N, 2), are those of the object that are still seen, where they were in the answer's picture.
        """
        moved = self._hidden(frame, motion, points) if self.own.size else (0.0,) * 4
        amodal, visible = list(motion.box(self.amodal)), list(motion.box(self.visible))
        height, width = frame.grey.shape
        for side, edge in enumerate((0.0, 0.0, float(width), float(height))):
            inwards = 1 if side < 2 else -1
            visible[side] += inwards * moved[side] * motion.scale
            if abs(self.amodal[side] - edge) <= EDGE and (amodal[side] - edge) * inwards > 0:
                amodal[side] = edge
                if abs(self.visible[side] - edge) <= EDGE and moved[side] <= 0:
                    visible[side] = edge
        (x0, y0, x1, y1), (u0, v0, u1, v1) = visible, amodal
        return (x0, y0, x1, y1), (u0, v0, u1, v1)

    def alike(self, frame: SmallFrame, motion: Similarity) -> float:
        """Give the part of the object's cells that look as they did, where a motion has taken them; 0 for no cells."""
        if not self.own.any():
            return 0.0
        now = sample(frame, self.amodal, self.cell, self.own.shape, motion)
        return float(self._same(now).sum() / self.own.sum())

    def _same(self, now: NDArray[np.uint8]) -> Mask:
        """Tell which of the object's cells look as they did."""
        return np.asarray((cv2.inRange(now, self.low, self.high) > 0) & self.own, bool)

    def _hidden(self, frame: SmallFrame, motion: Similarity, points: Points) -> tuple[float, ...]:
        """Give how far each side of the visible box has gone inwards, in pixels of the answer's picture."""
        now = sample(frame, self.amodal, self.cell, self.own.shape, motion)
        same = self._same(now)
        x0, y0, x1, y1 = self.inside
        at = ((points - np.array(self.amodal[:2])) / np.array(self.cell)).astype(int)
        at = at[((at >= (x0, y0)) & (at < (x1, y1))).all(1)]
        if len(at):
            seen = np.zeros(same.shape, np.uint8)
            seen[at[:, 1], at[:, 0]] = 1
            same[y0:y1, x0:x1] |= cv2.dilate(seen[y0:y1, x0:x1], NEAR) > 0
        whole = float(np.count_nonzero(self.own))
        found = _pieces(same, LEAST_PIECE * whole)
        if found is None or np.count_nonzero(same) < LEAST_LEFT * whole:
            return (0.0,) * 4
        left, top, right, bottom = found
        gone = [left - x0, top - y0, x1 - right, y1 - bottom]
        parts = (self.own[:, :left], self.own[:top], self.own[:, right:], self.own[bottom:])
        sizes = (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
        beyond = (np.s_[top:bottom, :x0], np.s_[:y0, left:right], np.s_[top:bottom, x1:], np.s_[y1:, left:right])
        for side, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            if np.count_nonzero(part) < LEAST_HIDDEN * whole or gone[side] < max(LEAST_PART * size, LEAST_CELLS):
                gone[side] = 0
                covered = self.covered[beyond[side]]
                if covered.size and np.count_nonzero(covered) >= LEAST_COVERED * covered.size:
                    out = covered & (odds(self.foreign[side], binned(now[beyond[side]])) < 0)
                    shown = out.sum(side % 2) >= np.maximum(LEAST_OUT * covered.sum(side % 2), 1)
                    gone[side] = -int(np.argmin(np.append(shown[:: -1 if side < 2 else 1], False)))
        return tuple(cells * size for cells, size in zip(gone, self.cell * 2, strict=True))


def look(frame: SmallFrame, visible: Box, amodal: Box) -> Hiding:
    """Look at an object in the answer's picture; boxes in small pixels, the amodal one is clipped to the picture."""
    height, width = frame.grey.shape
    whole = clip(amodal, width, height)
    whole = as_box(np.concatenate([np.minimum(whole[:2], visible[:2]), np.maximum(whole[2:], visible[2:])]))
    size = np.array([whole[2] - whole[0], whole[3] - whole[1]])
    columns, rows = (int(count) for count in np.ceil(np.minimum(size, CELLS)))
    if min(columns, rows) < 3 or area(visible) <= 0:
        nothing, none = np.zeros((0, 0, 1), np.uint8), np.zeros((0, 0), bool)
        return Hiding(visible, whole, (1.0, 1.0), nothing, nothing, none, (0, 0, 0, 0), np.zeros((4, 1, BINS)), none)
    cell = (float(size[0] / columns), float(size[1] / rows))
    picture = sample(frame, whole, cell, (rows, columns), Similarity())
    x0, y0, x1, y1 = (int(edge) for edge in np.round((np.array(visible) - np.tile(whole[:2], 2)) / np.tile(cell, 2)))
    low, high = (
        np.asarray(change(picture, NEAR), np.int16).reshape(picture.shape) for change in (cv2.erode, cv2.dilate)
    )
    bins = binned(picture)
    own = own_cells(bins, (x0, y0, x1, y1), around(frame, visible)) & ((high - low)[..., 0] <= BUSY)
    beyond = (bins[y0:y1, :x0], bins[:y0, x0:x1], bins[y0:y1, x1:], bins[y1:, x0:x1])
    # What was never seen beside the object may be a part of it, so that it has a share in all levels.
    mine = np.log(shares(bins[own]) + 0.5 / BINS)
    foreign = [
        np.log(shares(part) + UNSEEN) - mine if cut and part.size else np.ones(mine.shape)
        for cut, part in zip(cut_sides(visible, whole), beyond, strict=True)
    ]
    covered = np.zeros(own.shape, bool)
    sides = (np.s_[y0:y1, :x0], np.s_[:y0, x0:x1], np.s_[y0:y1, x1:], np.s_[y1:, x0:x1])
    for side, part, table in zip(sides, beyond, foreign, strict=True):
        covered[side] = odds(table, part) >= 0
    margin = np.array(LEVELS[: picture.shape[2]], np.int16)
    lowest, highest = (np.asarray(np.clip(levels, 0, 255), np.uint8) for levels in (low - margin, high + margin))
    return Hiding(visible, whole, cell, lowest, highest, own, (x0, y0, x1, y1), np.stack(foreign), covered)


def cut_sides(visible: Box, amodal: Box) -> tuple[bool, ...]:
    """Tell which sides of a visible box (left, upper, right, lower) lie well inside the amodal box."""
    least = np.maximum(CUT * np.tile([amodal[2] - amodal[0], amodal[3] - amodal[1]], 2), CUT_PIXELS)
    return tuple(bool(cut) for cut in (np.array(visible) - np.array(amodal)) * [1, 1, -1, -1] > least)


def _pieces(same: Mask, least: float) -> tuple[int, int, int, int] | None:
    """Give the box, in cells, around all pieces of at least so many cells; None where there is none."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(same.astype(np.uint8), connectivity=4)
    large = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= max(LEAST_PIECE_CELLS, least)]
    if not len(large):
        return None
    x, y, width, height = large[:, :4].T
    return int(x.min()), int(y.min()), int((x + width).max()), int((y + height).max())
