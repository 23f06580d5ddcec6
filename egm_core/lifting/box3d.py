"""A box in space, and how it is moved into another frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector3 = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

UNTURNED: Quaternion = (0.0, 0.0, 0.0, 1.0)
_SIGNS = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


@dataclass(frozen=True)
class Box3D:
    """A box in metres: its centre, its full size along its own axes, and how these are turned (x, y, z, w).

    Unturned, its axes are the camera's optical ones: x right, y down, z forward (REP-103). `estimated` says that its
    far sides were guessed, not seen; `doubt` is then a standard deviation of the centre along z, in metres.
    """

    center: Vector3
    size: Vector3
    rotation: Quaternion = UNTURNED
    estimated: bool = False
    doubt: float = 0.0


def matrix(rotation: Quaternion) -> NDArray[np.float64]:
    """Give a quaternion (x, y, z, w) of any length but 0 as a rotation matrix (3, 3)."""
    length = float(np.linalg.norm(rotation))
    if not np.isfinite(length) or length < 1e-9:
        raise ValueError(f"the quaternion {rotation} turns nothing; (0, 0, 0, 1) is no rotation")
    x, y, z, w = (value / length for value in rotation)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def product(first: Quaternion, second: Quaternion) -> Quaternion:
    """Give the rotation that turns by `second` and then by `first`."""
    ax, ay, az, aw = first
    bx, by, bz, bw = second
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def moved(box: Box3D, translation: ArrayLike, rotation: Quaternion) -> Box3D:
    """Give the box in another frame, in which its own frame lies at `translation`, turned by `rotation`."""
    center = matrix(rotation) @ np.array(box.center) + np.asarray(translation, np.float64)
    x, y, z = (float(value) for value in center)
    return replace(box, center=(x, y, z), rotation=product(rotation, box.rotation))


def corners(box: Box3D) -> NDArray[np.float64]:
    """Give the eight corners (8, 3) in the box's frame; bits 2, 1 and 0 of the number are the x, y and z sides."""
    return np.array(box.center) + (_SIGNS * box.size) @ matrix(box.rotation).T
