"""Finds the visible surface of an object in a depth image: its pixels in its visible box, and nobody else's.

A visible box holds the object, but also what it stands on, what is behind it and what hides it. Those reach beyond the
box, and the object doesn't. So the plane around the box is taken out, the rest falls into pieces where depth jumps, and
the piece that lies within the box is the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Of the box's size, looked at on each side of it.
MARGIN = 0.3
# Rows and columns looked at are at most so many; larger boxes are sampled.
SIDE = 96
# Neighbours on one surface differ by less than this part of their depth.
JUMP = 0.02
FEW = 64
# What is on the plane around the box differs from it by less than this part.
ON_PLANE = 0.012
PLANE_SHARE = 0.25
PLANE_TRIES = 48
# How a piece is punished for reaching beyond the box: a power of the part of it within.
STRICTNESS = 4
# A piece of less than this part of the box is a speck, not the object.
SPECK = 0.04
# Pieces that are looked at, at most: noise may leave hundreds.
PIECES = 200


@dataclass(frozen=True)
class Surface:
    """What is seen of an object: its depth in metres (near, middle and far), and from how many pixels.

    `near` and `far` leave out a twentieth on either side.
    """

    near: float
    middle: float
    far: float
    pixels: int


def surface(depth: Depth, box: Box) -> Surface | None:
    """Measure what is seen of an object in its visible box, in pixels of the depth image.

    `depth` is (H, W) in metres along the optical axis; anything not finite, zero or negative was not measured. None
    where the box has not one measured pixel.
    """
    height, width = depth.shape
    grow_x, grow_y = MARGIN * (box[2] - box[0]) + 2, MARGIN * (box[3] - box[1]) + 2
    left, top = max(0, int(box[0] - grow_x)), max(0, int(box[1] - grow_y))
    right, bottom = min(width, int(box[2] + grow_x) + 1), min(height, int(box[3] + grow_y) + 1)
    if right <= left or bottom <= top:
        return None
    # Where little was measured, every pixel counts.
    for step in sorted({1, max(1, -(-max(right - left, bottom - top) // SIDE))}, reverse=True):
        window = np.ascontiguousarray(depth[top:bottom:step, left:right:step], np.float32)
        rows, columns = (np.arange(size, dtype=np.float64) for size in window.shape)
        x, y = left + step * columns + 0.5, top + step * rows + 0.5
        inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))
        measured = np.isfinite(window) & (window > 0)
        if (measured & inside).sum() >= FEW:
            break
    if not (measured & inside).any():
        return None
    piece = _piece(window, measured, inside)
    if piece is None:
        piece = _middle(measured, inside)
    near, middle, far = (float(value) for value in np.percentile(window[piece], (5, 50, 95)))
    return Surface(near, middle, far, int(piece.sum()) * step * step)


def _piece(window: Depth, measured: Mask, inside: Mask) -> Mask | None:
    """Find the piece of one surface that lies in the box; None where there is but noise."""
    candidates = measured.copy()
    known = np.where(measured, window, 1.0).astype(np.float64)
    inverse = np.where(measured, 1.0 / known, 0.0)
    around = _plane(inverse, measured & ~inside)
    if around is not None:
        candidates &= np.abs(around - inverse) >= ON_PLANE * np.abs(around)
    logarithm = np.where(candidates, np.log(known), 0.0).astype(np.float32)
    # OpenCV wants a border of one pixel; what is set is not entered.
    labels = np.pad(np.where(candidates, 0, 255), 1, constant_values=255).astype(np.uint8)
    seeds = np.flatnonzero(candidates & inside)
    best: tuple[float, int, Mask] | None = None
    label = 0
    for seed in np.random.default_rng(0).permutation(seeds):
        row, column = divmod(int(seed), window.shape[1])
        if labels[row + 1, column + 1]:
            continue
        label += 1
        if label > PIECES:
            break
        _, _, _, found = cv2.floodFill(
            logarithm, labels, (column, row), 0, JUMP, JUMP, 4 | cv2.FLOODFILL_MASK_ONLY | label << 8
        )
        x, y, wide, high = found
        mask = labels[1 + y : 1 + y + high, 1 + x : 1 + x + wide] == label
        within = mask & inside[y : y + high, x : x + wide]
        count = int(within.sum())
        score = count * (count / int(mask.sum())) ** STRICTNESS
        if best is None or score > best[0]:
            whole = np.zeros_like(inside)
            whole[y : y + high, x : x + wide] = within
            best = (score, count, whole)
    if best is None or best[1] < SPECK * (measured & inside).sum():
        return None
    return best[2]


def _plane(inverse: NDArray[np.float64], ring: Mask) -> NDArray[np.float64] | None:
    """Give the inverse depth (H, W) of the plane that most of the ring's pixels lie on; None where there is none.

    The inverse depth of a plane is linear in a pinhole's pixels.
    """
    rows, columns = np.nonzero(ring)
    if rows.size < 12:
        return None
    points = np.stack([columns, rows, np.ones(rows.size)], 1).astype(np.float64)
    values = inverse[rows, columns]
    chosen = np.random.default_rng(0).integers(0, rows.size, (PLANE_TRIES, 3))
    triples = points[chosen]
    sound = np.abs(np.linalg.det(triples)) > 1e-6
    if not sound.any():
        return None
    planes = np.linalg.solve(triples[sound], values[chosen[sound]][..., None])[..., 0]
    agree = np.abs(planes @ points.T - values) < ON_PLANE * values
    most = agree[int(agree.sum(1).argmax())]
    if most.sum() < PLANE_SHARE * rows.size:
        return None
    a, b, c = np.linalg.lstsq(points[most], values[most], rcond=None)[0]
    high, wide = inverse.shape
    return np.asarray(a * np.arange(wide) + b * np.arange(high)[:, None] + c)


def _middle(measured: Mask, inside: Mask) -> Mask:
    """Give the measured pixels of the box's middle (half its width and height), or all where there are none."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    central = np.zeros_like(inside)
    high, wide = len(rows) // 4, len(columns) // 4
    central[rows[high] : rows[-1 - high] + 1, columns[wide] : columns[-1 - wide] + 1] = True
    central &= inside & measured
    return central if central.any() else inside & measured
