"""Corners to follow, and where they went: pyramidal Lucas-Kanade, checked by following them back again.

Points are (N, 2) float32 in the coordinates of boxes: the middle of the first pixel is at (0.5, 0.5).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.propagation.similarity import Mask, Points

# OpenCV adds up eight columns of a window at once, and what is left over one by one: 16 take half the time of 15.
WINDOW = (16, 16)
LEVELS, LEVELS_BACK = 3, 1
# Levels from a guess on: a coarser one shows little but the ground around a small object, and so makes guesses worse.
LEVELS_GUESSED = 2
# A point that comes back further away than this, in pixels, was not followed but lost.
ROUND_TRIP = 1.0
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
_NONE: Points = np.zeros((0, 2), np.float32)
# With less correlation than this, what is around a point no longer looks the same.
LEAST_LIKENESS = 0.5
# A patch is compared on this many pixels to either side of its point.
_REACH = 4
_OFFSETS = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1][::-1].reshape(2, -1).astype(np.float32)
# Corners this much weaker than the strongest still count: many an object is of one colour.
QUALITY = 0.003


def features(
    grey: NDArray[np.uint8], inside: Box, most: int, apart: float, outside: Box | None = None, besides: Points = _NONE
) -> Points:
    """Find up to `most` corners inside a box, `apart` pixels from each other, not in `outside`, nor near `besides`."""
    height, width = grey.shape
    x0, y0 = max(0, int(np.floor(inside[0]))), max(0, int(np.floor(inside[1])))
    x1, y1 = min(width, int(np.ceil(inside[2]))), min(height, int(np.ceil(inside[3])))
    if most <= 0 or x1 - x0 < 3 or y1 - y0 < 3:
        return _NONE
    mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
    if outside is not None:
        cut = np.clip(np.round(np.array(outside) - [x0, y0, x0, y0]).astype(int), 0, None)
        mask[cut[1] : cut[3], cut[0] : cut[2]] = 0
    for x, y in besides:
        cv2.circle(mask, (round(float(x) - x0), round(float(y) - y0)), round(apart), 0, -1)
    found = cv2.goodFeaturesToTrack(grey[y0:y1, x0:x1], most, QUALITY, apart, mask=mask, blockSize=5)
    if found is None:
        return _NONE
    return np.asarray(found.reshape(-1, 2) + np.array([x0 + 0.5, y0 + 0.5]), np.float32)


def follow(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    points: Points,
    looks: NDArray[np.float32],
    guess: Points | None = None,
) -> tuple[Points, Mask]:
    """Follow points from one picture to the next; say where they are now, and which ones can be trusted.

    `looks`, (M, P), are patches that the first M points have to look like there. `guess` is where they may be; without
    one they are looked for near where they were.
    """
    if not len(points):
        return _NONE, np.zeros(0, bool)
    start = np.asarray(points - 0.5, np.float32).reshape(-1, 1, 2)
    options: dict[str, Any] = {"winSize": WINDOW, "maxLevel": LEVELS, "criteria": _STOP}
    ahead = None
    if guess is not None:
        ahead = np.asarray(guess - 0.5, np.float32).reshape(-1, 1, 2)
        options["flags"] = cv2.OPTFLOW_USE_INITIAL_FLOW
        options["maxLevel"] = LEVELS_GUESSED
    there, arrived, _ = cv2.calcOpticalFlowPyrLK(before, after, start, ahead, **options)
    height, width = after.shape
    end = np.asarray(there.reshape(-1, 2) + 0.5, np.float32)
    good = (arrived.reshape(-1) == 1) & ((end >= 0.5) & (end <= np.array([width - 0.5, height - 0.5]))).all(1)
    good[: len(looks)] &= (patches(after, end[: len(looks)]) * looks).sum(1) >= LEAST_LIKENESS
    if not good.any():
        return end, good
    start, there = start[good], there[good]
    if guess is None:
        # They come back to about where they began, or not at all: coarse levels, which look far around, are left out.
        behind, options["maxLevel"] = start.copy(), LEVELS_BACK
        options["flags"] = cv2.OPTFLOW_USE_INITIAL_FLOW
    else:
        behind = there - np.asarray(guess - points, np.float32).reshape(-1, 1, 2)[good]
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, behind, **options)
    trip = np.hypot(*(back - start).reshape(-1, 2).T)
    good[good] = (returned.reshape(-1) == 1) & (trip <= ROUND_TRIP)
    return end, good


def patches(grey: NDArray[np.uint8], points: Points) -> NDArray[np.float32]:
    """Cut the patch around each point, normalised to mean 0 and length 1, (N, 81): their product is a correlation."""
    if not len(points):
        return np.zeros((0, (2 * _REACH + 1) ** 2), np.float32)
    x, y = (np.asarray(points[:, axis, None] - 0.5 + _OFFSETS[axis], np.float32) for axis in (0, 1))
    cut = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values = cut.astype(np.float32)
    values -= values.mean(1, keepdims=True)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3), np.float32)
