"""Where solids fall in the image: a pinhole view, exact bounds of primitives, and silhouettes.

Bounds are analytic: dual quadrics for the round kinds, corners for boxes and meshes. Image coordinates are
pixels with half-open edges, so pixel (0, 0) covers 0..1 and its centre lies at 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.scenes.truth import Camera
from egm_core.scenes.worlds.primitives import MESHES, Kind, Matrix, Primitive, Vector

EMPTY: Box = (0.0, 0.0, 0.0, 0.0)
_CUBE: Vector = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
_RING = np.arange(24) * 2 * np.pi / 24
_CIRCLE: Vector = np.stack([np.cos(_RING), np.sin(_RING), np.zeros(24)], 1)
_SPIRAL = np.arange(80) + 0.5
_GLOBE: Vector = np.stack(
    [
        np.sqrt(1 - (1 - _SPIRAL / 40) ** 2) * np.cos(_SPIRAL * 2.39996),
        np.sqrt(1 - (1 - _SPIRAL / 40) ** 2) * np.sin(_SPIRAL * 2.39996),
        1 - _SPIRAL / 40,
    ],
    1,
)


@dataclass(frozen=True, eq=False)
class View:
    """A camera looking at the world: focal length in pixels, image size, clipping planes in metres, pose."""

    focal: float
    width: int
    height: int
    near: float
    far: float
    position: Vector
    rotation: Matrix

    @property
    def camera(self) -> Camera:
        """The view as the truth's camera."""
        return Camera(
            self.focal, self.focal, self.width / 2, self.height / 2, self.position.copy(), self.rotation.copy()
        )

    @cached_property
    def ground_forward(self) -> tuple[float, float]:
        """The horizontal direction away from the camera."""
        x, y = float(self.rotation[2, 0]), float(self.rotation[2, 1])
        length = max(math.hypot(x, y), 1e-9)
        return x / length, y / length

    @cached_property
    def ground_right(self) -> tuple[float, float]:
        """The horizontal direction to the image's right."""
        x, y = self.ground_forward
        return y, -x

    def project(self, points: Vector) -> Vector:
        """Return pixels and depths (N, 3) of world points (N, 3)."""
        local = (points - self.position) @ self.rotation.T
        depth = np.maximum(local[:, 2], 1e-6)
        center = (self.width / 2, self.height / 2)
        return np.concatenate([self.focal * local[:, :2] / depth[:, None] + center, local[:, 2:]], axis=1)

    def ground_point(self, u: float, v: float, z: float = 0.0) -> Vector | None:
        """Return the point (2,) of the plane at height `z` seen at pixel (u, v); None above the horizon."""
        ray = self.rotation.T @ np.array([(u - self.width / 2) / self.focal, (v - self.height / 2) / self.focal, 1.0])
        if ray[2] > -1e-3:
            return None
        return np.asarray((self.position + ray * (z - self.position[2]) / ray[2])[:2])


def look_at(
    position: Vector, target: Vector, focal: float, width: int, height: int, near: float, far: float, roll: float = 0.0
) -> View:
    """Return the view from `position` towards `target`, rolled about its axis by `roll` radians."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    down = np.cross(forward, right)
    right, down = right * np.cos(roll) + down * np.sin(roll), down * np.cos(roll) - right * np.sin(roll)
    return View(focal, width, height, near, far, position, np.stack([right, down, forward]))


def bounds(view: View, primitives: Sequence[Primitive]) -> tuple[Box, float]:
    """Return the image bounds of solids, which may leave the frame, and their least depth.

    The bounds are exact where everything lies in front of the camera; a least depth below the near plane says
    that it doesn't.
    """
    centers: list[Vector] = []
    axes: list[Matrix] = []
    points: list[Vector] = []
    for primitive in primitives:
        center = view.rotation @ (primitive.position - view.position)
        turn = view.rotation @ primitive.rotation
        a, b, c = primitive.size
        if primitive.kind is Kind.SPHERE:
            centers.append(center)
            axes.append(turn * a)
        elif primitive.kind is Kind.ELLIPSOID:
            centers.append(center)
            axes.append(turn * np.array([a, b, c]))
        elif primitive.kind is Kind.CAPSULE or primitive.kind is Kind.CYLINDER:
            disc = np.array([a, a, a if primitive.kind is Kind.CAPSULE else 0.0])
            for end in (-b, b):
                centers.append(center + turn[:, 2] * end)
                axes.append(turn * disc)
        else:
            corners = _CUBE if primitive.kind is Kind.BOX else MESHES[primitive.mesh][0]
            points.append(center + (corners * primitive.size) @ turn.T)
    low, high, depth = np.full(2, np.inf), np.full(2, -np.inf), np.inf
    if centers:
        middle, axis = np.array(centers), np.array(axes)
        dual = axis @ axis.transpose(0, 2, 1) - middle[:, :, None] * middle[:, None, :]
        zz = dual[:, 2, 2]
        for i in (0, 1):
            root = np.sqrt(np.maximum(dual[:, i, 2] ** 2 - dual[:, i, i] * zz, 0.0))
            ends = np.stack([(dual[:, i, 2] - root) / zz, (dual[:, i, 2] + root) / zz])
            low[i], high[i] = ends.min(), ends.max()
        depth = float((middle[:, 2] - np.linalg.norm(axis[:, 2, :], axis=1)).min())
    if points:
        cloud = np.concatenate(points)
        depth = min(depth, float(cloud[:, 2].min()))
        flat = cloud[:, :2] / np.maximum(cloud[:, 2:], 1e-6)
        low, high = np.minimum(low, flat.min(0)), np.maximum(high, flat.max(0))
    x, y = view.width / 2, view.height / 2
    f = view.focal
    return (
        float(x + f * low[0]),
        float(y + f * low[1]),
        float(x + f * high[0]),
        float(y + f * high[1]),
    ), float(depth)


def rough_bounds(view: View, corners: Vector, rotation: Matrix, position: Vector) -> tuple[Box, float]:
    """Return the image bounds of a box given by its corners (8, 3) in its own frame, and its least depth."""
    local = ((corners @ rotation.T + position) - view.position) @ view.rotation.T
    depth = float(local[:, 2].min())
    flat = local[:, :2] * (view.focal / np.maximum(local[:, 2:], 1e-6))
    (x0, y0), (x1, y1) = flat.min(0), flat.max(0)
    x, y = view.width / 2, view.height / 2
    return (float(x0) + x, float(y0) + y, float(x1) + x, float(y1) + y), depth


def on_pixels(box: Box) -> Box:
    """Return the box of the pixels whose centres the given box covers."""
    x0, y0, x1, y1 = box
    return (
        float(np.floor(x0 + 0.5)),
        float(np.floor(y0 + 0.5)),
        float(np.ceil(x1 - 0.5)),
        float(np.ceil(y1 - 0.5)),
    )


def mask_box(mask: NDArray[np.bool_]) -> Box:
    """Return the half-open box of a mask's set pixels; four zeros when there are none."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return EMPTY
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


@dataclass(frozen=True, eq=False)
class Silhouette:
    """The pixels that an object would cover with nothing in front of it, inside the frame.

    `mask` is a crop whose first pixel is (`x`, `y`); it is empty for an object outside the frame.
    """

    x: int
    y: int
    mask: NDArray[np.bool_]

    def crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of an image (H, W) that the crop covers."""
        return image[self.y : self.y + self.mask.shape[0], self.x : self.x + self.mask.shape[1]]

    @property
    def box(self) -> Box:
        """The box of the silhouette in the image."""
        x0, y0, x1, y1 = mask_box(self.mask)
        return (x0 + self.x, y0 + self.y, x1 + self.x, y1 + self.y) if x1 > x0 else EMPTY


def _hull_points(primitive: Primitive) -> Vector:
    a, b, c = primitive.size
    if primitive.kind is Kind.SPHERE:
        return _GLOBE * a
    if primitive.kind is Kind.ELLIPSOID:
        return _GLOBE * primitive.size
    if primitive.kind is Kind.CAPSULE:
        return np.concatenate([_GLOBE * a + (0.0, 0.0, b), _GLOBE * a - (0.0, 0.0, b)])
    if primitive.kind is Kind.CYLINDER:
        return np.concatenate([_CIRCLE * a + (0.0, 0.0, b), _CIRCLE * a - (0.0, 0.0, b)])
    corners = _CUBE if primitive.kind is Kind.BOX else MESHES[primitive.mesh][0]
    return corners * (a, b, c)


def silhouette(view: View, primitives: Sequence[Primitive], box: Box) -> Silhouette:
    """Return the silhouette of solids whose bounds are `box`.

    Each solid's convex hull is filled at several times the image's resolution and read at the pixel centres:
    OpenCV paints a polygon's border too, which at the image's own resolution makes every mask half a pixel fat.
    """
    x0, x1 = (int(v) for v in np.clip((np.floor(box[0]) - 1, np.ceil(box[2]) + 1), 0, view.width))
    y0, y1 = (int(v) for v in np.clip((np.floor(box[1]) - 1, np.ceil(box[3]) + 1), 0, view.height))
    if x1 <= x0 or y1 <= y0:
        return Silhouette(0, 0, np.zeros((0, 0), dtype=np.bool_))
    zoom = 4
    canvas = np.zeros(((y1 - y0) * zoom, (x1 - x0) * zoom), dtype=np.uint8)
    for primitive in primitives:
        points = primitive.position + _hull_points(primitive) @ primitive.rotation.T
        pixels = (view.project(points)[:, :2] - (x0, y0)) * zoom - 0.5
        polygon = np.round(pixels * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, cv2.convexHull(polygon), 1, shift=4)
    near_center = canvas.reshape(y1 - y0, zoom, x1 - x0, zoom)[:, 1:3, :, 1:3].sum((1, 3))
    return Silhouette(x0, y0, near_center >= 3)
