"""Similarities of the plane, and the robust fit of one to points that moved: the motion that a box is carried with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box

Points: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

# With fewer points than this in agreement, a scale would be mostly noise.
LEAST_FOR_SCALE = 6
LARGEST_SCALE = 2.0
LARGEST_TURN = math.radians(45)


@dataclass(frozen=True)
class Similarity:
    """A scale, a turn (radians, clockwise in pictures) and a shift (pixels): x' = scale * turn(x) + shift."""

    scale: float = 1.0
    turn: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The linear part, (2, 2)."""
        c, s = self.scale * math.cos(self.turn), self.scale * math.sin(self.turn)
        return np.array([[c, -s], [s, c]])

    def of(self, points: Points) -> Points:
        """Move points, (N, 2)."""
        return np.asarray(points @ self.matrix.T + self.shift, np.float32)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Move one point."""
        c, s = self.scale * math.cos(self.turn), self.scale * math.sin(self.turn)
        return c * x - s * y + self.shift[0], s * x + c * y + self.shift[1]

    def inverse(self, points: Points) -> Points:
        """Move points back, (N, 2)."""
        return np.asarray((points - np.array(self.shift)) @ np.linalg.inv(self.matrix).T, np.float32)

    def box(self, box: Box) -> Box:
        """Move a box: its centre goes along and its sides grow; it stays upright, and a turn doesn't widen it."""
        x0, y0, x1, y1 = box
        x, y = self.point((x0 + x1) / 2, (y0 + y1) / 2)
        width, height = (x1 - x0) * self.scale / 2, (y1 - y0) * self.scale / 2
        return x - width, y - height, x + width, y + height

    def residuals(self, before: Points, after: Points) -> NDArray[np.float64]:
        """Give how far each point ended from where this would have moved it, (N,)."""
        apart = self.of(before) - after
        return np.asarray(np.hypot(apart[:, 0], apart[:, 1]), np.float64)


def fit(before: Points, after: Points, tolerance: float) -> tuple[Similarity, Mask] | None:
    """Fit the similarity that most points agree with, to `tolerance` pixels, and say which ones do.

    With few points, or where the fit is absurd, it is the shift that most agree with; None without points.
    """
    if len(before) >= LEAST_FOR_SCALE:
        # OpenCV draws from a generator of fixed seed here, so that equal points give equal answers.
        matrix, inside = cv2.estimateAffinePartial2D(
            before, after, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=300, confidence=0.995
        )
        if matrix is not None and int(inside.sum()) >= LEAST_FOR_SCALE:
            found = _similarity(matrix)
            if 1 / LARGEST_SCALE <= found.scale <= LARGEST_SCALE and abs(found.turn) <= LARGEST_TURN:
                return found, np.asarray(inside, bool).reshape(-1)
    return fit_shift(before, after, tolerance)


def fit_shift(before: Points, after: Points, tolerance: float) -> tuple[Similarity, Mask] | None:
    """Fit the shift that most points agree with, and say which ones do; None without points."""
    if not len(before):
        return None
    moves = after - before
    apart = np.hypot(*np.moveaxis(moves[:, None] - moves[None], -1, 0))
    agreeing = apart <= tolerance
    inside = agreeing[int(agreeing.sum(1).argmax())]
    shift = moves[inside].mean(0)
    return Similarity(shift=(float(shift[0]), float(shift[1]))), inside


def _similarity(matrix: NDArray[np.float64]) -> Similarity:
    return Similarity(
        float(math.hypot(matrix[0, 0], matrix[1, 0])),
        float(math.atan2(matrix[1, 0], matrix[0, 0])),
        (float(matrix[0, 2]), float(matrix[1, 2])),
    )
