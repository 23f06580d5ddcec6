"""A scene before it is rendered: the things that can be referred to, the furniture that hides them, the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from egm_core.scenes.projection import View
from egm_core.scenes.render import Light
from egm_core.scenes.truth import Size, World
from egm_core.scenes.worlds.catalogue import Shape
from egm_core.scenes.worlds.primitives import IDENTITY, Matrix, Primitive, Vector, local_extent, placed

_CORNERS = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.bool_)


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the ground: centre, yaw in radians, half sizes in metres."""

    x: float
    y: float
    yaw: float
    half: tuple[float, float]

    @cached_property
    def radius(self) -> float:
        """The radius of the circle around the rectangle."""
        return math.hypot(*self.half)

    @cached_property
    def axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The unit vectors along its two sides."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return (c, s), (-s, c)

    @cached_property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The four corners (x, y)."""
        (ax, ay), (bx, by) = self.axes
        a, b = self.half
        signs = ((-a, -b), (a, -b), (a, b), (-a, b))
        return tuple((self.x + i * ax + j * bx, self.y + i * ay + j * by) for i, j in signs)

    def width_along(self, x: float, y: float) -> float:
        """Return the rectangle's half extent along a horizontal unit vector."""
        (ax, ay), (bx, by) = self.axes
        return abs(ax * x + ay * y) * self.half[0] + abs(bx * x + by * y) * self.half[1]

    def _reaches(self, other: Footprint) -> tuple[tuple[float, float, float], ...]:
        """Give the four axes along which two rectangles can be apart, each with how far apart their centres must be."""
        (ax, ay), (bx, by) = self.axes
        (cx, cy), (dx, dy) = other.axes
        (a, b), (c, d) = self.half, other.half
        cosine, sine = abs(ax * cx + ay * cy), abs(ax * dx + ay * dy)
        return (
            (ax, ay, a + cosine * c + sine * d),
            (bx, by, b + sine * c + cosine * d),
            (cx, cy, c + cosine * a + sine * b),
            (dx, dy, d + sine * a + cosine * b),
        )

    def overlaps(self, other: Footprint) -> bool:
        """Return whether two rectangles share ground (separating axes)."""
        dx, dy = other.x - self.x, other.y - self.y
        reach = self.radius + other.radius
        if dx * dx + dy * dy >= reach * reach:
            return False
        return all(abs(dx * x + dy * y) < reach for x, y, reach in self._reaches(other))

    def clearance(self, other: Footprint, x: float, y: float) -> float:
        """Return how far this rectangle must move along the unit vector (x, y) to clear the other one."""
        dx, dy = self.x - other.x, self.y - other.y
        least = math.inf
        for ax, ay, reach in self._reaches(other):
            now, speed = dx * ax + dy * ay, x * ax + y * ay
            if abs(now) >= reach:
                return 0.0
            if abs(speed) > 1e-9:
                least = min(least, (math.copysign(reach, speed) - now) / speed)
        return least

    def moved(self, x: float, y: float) -> Footprint:
        """Return the same rectangle centred at (x, y)."""
        there = Footprint(x, y, self.yaw, self.half)
        # Hundreds of spots are tried for a thing, and turning is what costs.
        there.__dict__.update(axes=self.axes, radius=self.radius)
        return there


@dataclass(frozen=True, eq=False)
class Thing:
    """An object that expressions may refer to, with its pose; `support` is the index of the thing that it rests on."""

    category: str
    color: str
    size: Size
    state: str
    shape: Shape
    footprint: Footprint
    position: Vector
    rotation: Matrix
    support: int | None = None

    @cached_property
    def primitives(self) -> tuple[Primitive, ...]:
        """The thing's solids in the world."""
        return placed(self.shape.primitives, self.rotation, self.position)

    @cached_property
    def local_box(self) -> tuple[Vector, Vector]:
        """The corners (3,) of the box around the thing in its own frame."""
        return local_extent(self.shape.primitives)

    @cached_property
    def local_corners(self) -> Vector:
        """The eight corners (8, 3) of that box."""
        low, high = self.local_box
        return np.where(_CORNERS, high, low)

    @property
    def center(self) -> Vector:
        """The middle (3,) of that box in the world."""
        low, high = self.local_box
        return self.position + self.rotation @ ((low + high) / 2)


@dataclass(frozen=True, eq=False)
class Furniture:
    """Something that hides things and can't be referred to, by its word (`arm`, `pole`, `truck`)."""

    name: str
    parts: tuple[Primitive, ...]
    footprint: Footprint | None = None
    position: Vector = field(default_factory=lambda: np.zeros(3))
    rotation: Matrix = field(default_factory=lambda: IDENTITY)

    @cached_property
    def primitives(self) -> tuple[Primitive, ...]:
        """The solids in the world."""
        return placed(self.parts, self.rotation, self.position)


@dataclass(frozen=True, eq=False)
class Stage:
    """Everything that a scene is rendered from."""

    world: World
    view: View
    lights: tuple[Light, ...]
    backdrop: tuple[Primitive, ...]
    furniture: tuple[Furniture, ...]
    things: tuple[Thing, ...]
