"""Boxes in space seen by a camera: their corners in the picture, and the box around them.

As in nuScenes' own export: the hull of the corners in front of the camera, cut at the picture's edges. It covers
hidden parts, and is not tight.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box

Array = NDArray[np.float64]
# Length to the front, width to the left, height up, as shares of the size.
_CORNERS = np.array([[x, y, z] for x in (0.5, -0.5) for y in (0.5, -0.5) for z in (0.5, -0.5)])


@dataclass(frozen=True)
class Pose:
    """Where something stands, and its rotation as a quaternion w, x, y, z."""

    translation: Array
    rotation: Array

    def from_outside(self, points: Array) -> Array:
        """Give points (..., 3) in this frame."""
        return (points - self.translation) @ turn(self.rotation)


@dataclass(frozen=True)
class Camera:
    """A camera: where the car is, where the camera is on it, its matrix (3, 3), and its picture's (width, height)."""

    car: Pose
    mount: Pose
    matrix: Array
    size: tuple[int, int]


def turn(rotation: Array) -> Array:
    """Give the matrices (..., 3, 3) of quaternions w, x, y, z, which need no unit length."""
    w, x, y, z = np.moveaxis(rotation / np.linalg.norm(rotation, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def corners(translation: Array, size: Array, rotation: Array) -> Array:
    """Give the corners (N, 8, 3) of boxes; a size is width, length, height, as nuScenes has it."""
    shapes = _CORNERS * size[:, None, [1, 0, 2]]
    return translation[:, None] + shapes @ np.swapaxes(turn(rotation), -1, -2)


def seen_boxes(points: Array, camera: Camera) -> list[Box | None]:
    """Give the boxes in a camera's picture around corners (N, 8, 3) in the world; None for what is not in it."""
    inside = camera.mount.from_outside(camera.car.from_outside(points))
    front = inside[..., 2] > 0
    shown = inside @ camera.matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = shown[..., :2] / shown[..., 2:]
    return [_cut(flat[n][front[n]], *camera.size) if front[n].any() else None for n in range(len(points))]


def _cut(points: Array, width: int, height: int) -> Box | None:
    low, high = points.min(0), points.max(0)
    if high[0] <= 0 or high[1] <= 0 or low[0] >= width or low[1] >= height:
        return None
    if low.min() < 0 or high[0] > width or high[1] > height:
        hull = cv2.convexHull(points.astype(np.float32), returnPoints=False)[:, 0]
        polygon = list(map(tuple, points[hull].tolist()))
        for axis, edge, sign in ((0, 0, 1), (1, 0, 1), (0, width, -1), (1, height, -1)):
            polygon = _beside(polygon, axis, edge, sign)
        if not polygon:
            return None
        low, high = np.min(polygon, 0), np.max(polygon, 0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return box if box[0] < box[2] and box[1] < box[3] else None


def _beside(polygon: list[tuple[float, ...]], axis: int, edge: float, sign: int) -> list[tuple[float, ...]]:
    """Keep the part of a convex polygon on one side of a straight edge."""
    kept = []
    for one, two in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        here, there = (one[axis] - edge) * sign, (two[axis] - edge) * sign
        if here >= 0:
            kept.append(one)
        if here * there < 0:
            part = here / (here - there)
            kept.append(tuple(a + part * (b - a) for a, b in zip(one, two, strict=True)))
    return kept
