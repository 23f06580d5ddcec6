"""What tells an object's colours from those beside it: levels in bins, how common each is, and the odds that follow."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, clip
from egm_core.propagation.frames import SmallFrame
from egm_core.propagation.similarity import Mask, Similarity

# Levels are told apart in so many bins, and the object from what lies within this part of its box around it.
BINS, AROUND = 32, 0.25
# Share of a bin in which nothing was seen, for logarithms.
UNSEEN = 0.002
# With less than this part of the visible box on the object for certain, all of it is taken for the object.
LEAST_OWN = 0.2


def own_cells(bins: NDArray[np.uint8], inside: tuple[int, int, int, int], around: list[NDArray[np.uint8]]) -> Mask:
    """Find the cells in the visible box whose levels are commoner in it than beyond any of its sides."""
    x0, y0, x1, y1 = inside
    within = bins[y0:y1, x0:x1]
    own = np.zeros(bins.shape[:2], bool)
    # A sliver at the picture's edge has no cell of its own.
    if not within.size:
        return own
    mine = np.log(shares(within) + UNSEEN)
    commoner = np.all([odds(mine - np.log(shares(binned(part)) + UNSEEN), within) > 0 for part in around], 0)
    own[y0:y1, x0:x1] = commoner if commoner.mean() >= LEAST_OWN else True
    return own


def around(frame: SmallFrame, box: Box) -> list[NDArray[np.uint8]]:
    """Give the pixels beyond each side of a box, (h, w, C)."""
    height, width = frame.grey.shape
    x, y = AROUND * (box[2] - box[0]) + 2, AROUND * (box[3] - box[1]) + 2
    outer = clip((box[0] - x, box[1] - y, box[2] + x, box[3] + y), width, height)
    (u0, v0, u1, v1), (x0, y0, x1, y1) = (tuple(round(edge) for edge in edges) for edges in (outer, box))
    sides = (np.s_[v0:v1, u0:x0], np.s_[v0:y0, u0:u1], np.s_[v0:v1, x1:u1], np.s_[y1:v1, u0:u1])
    return [np.dstack([layer[side] for layer in frame.layers]) for side in sides]


def binned(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the bin of each level."""
    return np.asarray(levels >> 3, np.uint8)


def shares(bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the share of each bin in each layer, (C, BINS), smoothed over its neighbours; all 0 for no pixels."""
    counts = [np.bincount(layer.ravel(), minlength=BINS) for layer in np.moveaxis(bins, -1, 0)]
    smooth = [np.convolve(np.pad(count.astype(float), 1, mode="edge"), [0.25, 0.5, 0.25], "valid") for count in counts]
    return np.stack([row / max(float(row.sum()), 1.0) for row in smooth])


def odds(table: NDArray[np.float64], bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Add up what a table (C, BINS) of logarithms says of cells (h, w, C), layer by layer."""
    total = table[0].take(bins[..., 0])
    for layer in range(1, len(table)):
        total += table[layer].take(bins[..., layer])
    return np.asarray(total, np.float64)


def sample(
    frame: SmallFrame, box: Box, cell: tuple[float, float], shape: tuple[int, int], motion: Similarity
) -> NDArray[np.uint8]:
    """Look up a box's cells, `shape` (rows, columns) of them, where a motion has taken them, (rows, columns, C)."""
    x, y = motion.point(box[0] + cell[0] / 2, box[1] + cell[1] / 2)
    (a, b), (c, d) = motion.matrix.tolist()
    matrix = np.array([[a * cell[0], b * cell[1], x - 0.5], [c * cell[0], d * cell[1], y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    edge = cv2.BORDER_REPLICATE
    cells = [cv2.warpAffine(layer, matrix, shape[::-1], flags=flags, borderMode=edge) for layer in frame.layers]
    if len(cells) == 1:
        return np.asarray(cells[0][..., None], np.uint8)
    found = np.empty((*shape, 3), np.uint8)
    # NumPy copies the last two of three channels ten times more slowly.
    cv2.mixChannels(cells, [found], [0, 0, 1, 1, 2, 2])
    return found
