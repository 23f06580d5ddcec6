"""The solids that scenes are built from: six kinds of primitive, a few meshes, and how they are put together.

A primitive is a plain record in its owner's frame (metres, z up); `placed` moves a whole object into the world.
Nothing here renders: `egm_core.scenes.render` draws primitives, `egm_core.scenes.projection` measures them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
IDENTITY: Matrix = np.eye(3)


class Kind(IntEnum):
    """The kinds of primitive, numbered as MuJoCo's geom types."""

    SPHERE = 2
    CAPSULE = 3
    ELLIPSOID = 4
    CYLINDER = 5
    BOX = 6
    MESH = 7


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One solid: half sizes as in MuJoCo, its centre and rotation, and how it looks.

    A mesh's `size` scales the unit mesh named `mesh`. `texture` is the index of a procedural texture, -1 for none.
    """

    kind: Kind
    size: tuple[float, float, float]
    position: Vector
    rotation: Matrix
    color: Vector
    mesh: str = ""
    texture: int = -1
    emission: float = 0.0
    specular: float = 0.25


def about_z(angle: float) -> Matrix:
    """Return the rotation by `angle` radians about z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def about_y(angle: float) -> Matrix:
    """Return the rotation by `angle` radians about y."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def about_x(angle: float) -> Matrix:
    """Return the rotation by `angle` radians about x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def along(direction: Vector) -> Matrix:
    """Return a rotation whose z axis points along `direction`."""
    zx, zy, zz = (float(v) for v in direction)
    length = max(math.sqrt(zx * zx + zy * zy + zz * zz), 1e-9)
    zx, zy, zz = zx / length, zy / length, zz / length
    xx, xy, xz = (0.0, -zz, zy) if abs(zy) > 0.9 else (zz, 0.0, -zx)
    length = math.sqrt(xx * xx + xy * xy + xz * xz)
    xx, xy, xz = xx / length, xy / length, xz / length
    return np.array(
        [
            (xx, zy * xz - zz * xy, zx),
            (xy, zz * xx - zx * xz, zy),
            (xz, zx * xy - zy * xx, zz),
        ]
    )


def _vector(value: ArrayLike) -> Vector:
    return np.asarray(value, dtype=np.float64)


def sphere(radius: float, center: ArrayLike, color: ArrayLike) -> Primitive:
    """Return a sphere."""
    return Primitive(Kind.SPHERE, (radius, 0.0, 0.0), _vector(center), IDENTITY, _vector(color))


def ellipsoid(radii: Sequence[float], center: ArrayLike, color: ArrayLike) -> Primitive:
    """Return an ellipsoid with axes along the frame's."""
    size = (float(radii[0]), float(radii[1]), float(radii[2]))
    return Primitive(Kind.ELLIPSOID, size, _vector(center), IDENTITY, _vector(color))


def capsule(start: ArrayLike, end: ArrayLike, radius: float, color: ArrayLike) -> Primitive:
    """Return a rod with round ends from `start` to `end`."""
    a, b = _vector(start), _vector(end)
    size = (radius, float(np.linalg.norm(b - a)) / 2, 0.0)
    return Primitive(Kind.CAPSULE, size, (a + b) / 2, along(b - a), _vector(color))


def cylinder(
    radius: float, half_length: float, center: ArrayLike, color: ArrayLike, rotation: Matrix = IDENTITY
) -> Primitive:
    """Return a cylinder whose axis is the z axis of `rotation`."""
    return Primitive(Kind.CYLINDER, (radius, half_length, 0.0), _vector(center), rotation, _vector(color))


def block(
    half: Sequence[float], center: ArrayLike, color: ArrayLike, rotation: Matrix = IDENTITY, texture: int = -1
) -> Primitive:
    """Return a box given by its half sizes."""
    size = (float(half[0]), float(half[1]), float(half[2]))
    return Primitive(Kind.BOX, size, _vector(center), rotation, _vector(color), texture=texture)


def mesh(
    name: str, scale: Sequence[float], base: ArrayLike, color: ArrayLike, rotation: Matrix = IDENTITY
) -> Primitive:
    """Return the unit mesh `name`, scaled along its axes; its base stands at `base`."""
    size = (float(scale[0]), float(scale[1]), float(scale[2]))
    return Primitive(Kind.MESH, size, _vector(base), rotation, _vector(color), mesh=name)


def placed(primitives: Iterable[Primitive], rotation: Matrix, position: Vector) -> tuple[Primitive, ...]:
    """Return the primitives moved from their object's frame into the world."""
    return tuple(
        Primitive(
            p.kind,
            p.size,
            position + rotation @ p.position,
            rotation @ p.rotation,
            p.color,
            p.mesh,
            p.texture,
            p.emission,
            p.specular,
        )
        for p in primitives
    )


def scaled(primitives: Iterable[Primitive], factor: float) -> tuple[Primitive, ...]:
    """Return the primitives enlarged about the origin."""
    if factor == 1.0:
        return tuple(primitives)
    return tuple(
        replace(p, size=(p.size[0] * factor, p.size[1] * factor, p.size[2] * factor), position=p.position * factor)
        for p in primitives
    )


Profile = Sequence[tuple[float, float]]
Faces = NDArray[np.int64]
SEGMENTS = 24


def _lathe(profile: Profile) -> tuple[Vector, Faces]:
    """Turn a profile of (radius, z) into a solid of revolution, capped at both ends."""
    angle = np.arange(SEGMENTS) * 2 * np.pi / SEGMENTS
    vertices = np.concatenate(
        [np.stack([r * np.cos(angle), r * np.sin(angle), np.full(SEGMENTS, z)], 1) for r, z in profile]
    )
    faces: list[tuple[int, int, int]] = []
    rings = len(profile)
    here = range(SEGMENTS)
    following = [(i + 1) % SEGMENTS for i in here]
    for ring in range(rings - 1):
        a, b = ring * SEGMENTS, (ring + 1) * SEGMENTS
        for i, j in zip(here, following, strict=True):
            faces += [(a + i, a + j, b + j), (a + i, b + j, b + i)]
    bottom, top = len(vertices), len(vertices) + 1
    vertices = np.concatenate([vertices, [[0.0, 0.0, profile[0][1]], [0.0, 0.0, profile[-1][1]]]])
    last = (rings - 1) * SEGMENTS
    for i, j in zip(here, following, strict=True):
        faces += [(bottom, j, i), (top, last + i, last + j)]
    return vertices, np.array(faces, dtype=np.int64)


def _vessel(outside: Profile, wall: float, floor: float) -> tuple[Vector, Faces]:
    """Turn the outside of an open vessel into a solid with a wall, open at the top."""
    inside = [(r - wall, max(z, floor)) for r, z in reversed(outside)]
    return _lathe([*outside, *inside, (0.02, floor)])


def _tapered(bottom: tuple[float, float], top: tuple[float, float], shift: float) -> tuple[Vector, Faces]:
    """Return a box of height 1 whose top differs from its bottom (half sizes), its top moved along x."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)
    vertices = np.concatenate(
        [
            np.c_[corners * bottom, np.zeros(4)],
            np.c_[corners * top + [shift, 0.0], np.ones(4)],
        ]
    )
    sides = [((i, (i + 1) % 4, (i + 1) % 4 + 4), (i, (i + 1) % 4 + 4, i + 4)) for i in range(4)]
    faces = [(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7), *(face for pair in sides for face in pair)]
    return vertices, np.array(faces, dtype=np.int64)


MESHES: dict[str, tuple[Vector, Faces]] = {
    "cup": _vessel([(0.86, 0.0), (0.95, 0.06), (1.0, 0.5), (1.0, 1.0)], wall=0.1, floor=0.12),
    "bowl": _vessel([(0.42, 0.0), (0.5, 0.04), (0.78, 0.35), (0.94, 0.72), (1.0, 1.0)], wall=0.07, floor=0.1),
    "spike": _lathe([(1.0, 0.0), (0.13, 1.0)]),
    "ring": _lathe([(1.0, 0.0), (0.78, 1.0)]),
    "shoulder": _lathe([(1.0, 0.0), (0.93, 0.3), (0.7, 0.65), (0.4, 1.0)]),
    "cabin": _tapered((1.0, 1.0), (0.66, 0.84), -0.06),
    "hood": _tapered((1.0, 1.0), (0.9, 0.9), -0.06),
}


def local_extent(primitives: Iterable[Primitive]) -> tuple[Vector, Vector]:
    """Return the least and greatest corner (3,) of the axis-aligned box around primitives in their own frame."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for p in primitives:
        if p.kind is Kind.MESH:
            points = p.position + (MESHES[p.mesh][0] * p.size) @ p.rotation.T
            low, high = np.minimum(low, points.min(0)), np.maximum(high, points.max(0))
            continue
        axis = np.abs(p.rotation[:, 2])
        if p.kind is Kind.SPHERE:
            reach = np.full(3, p.size[0])
        elif p.kind is Kind.ELLIPSOID:
            reach = np.linalg.norm(p.rotation * p.size, axis=1)
        elif p.kind is Kind.CAPSULE:
            reach = p.size[0] + axis * p.size[1]
        elif p.kind is Kind.CYLINDER:
            reach = p.size[0] * np.sqrt(np.maximum(1 - axis**2, 0.0)) + axis * p.size[1]
        else:
            reach = np.abs(p.rotation) @ np.array(p.size)
        low, high = np.minimum(low, p.position - reach), np.maximum(high, p.position + reach)
    return low, high
