"""What each category of object looks like: primitives in the object's own frame, base at z = 0, front along x.

Categories differ in outline, not only in detail, and an object's own colour covers nearly all of it: a small
model has to tell them apart at thirty pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from egm_core.scenes.worlds.primitives import (
    Primitive,
    Vector,
    about_x,
    block,
    capsule,
    cylinder,
    ellipsoid,
    mesh,
    scaled,
    sphere,
)

SCALES = {"small": 0.76, "medium": 1.0, "large": 1.32}
_STEEL: Vector = np.array([0.55, 0.56, 0.58])
_RUBBER: Vector = np.array([0.09, 0.09, 0.1])
_PAPER: Vector = np.array([0.86, 0.84, 0.76])
_GLASS: Vector = np.array([0.2, 0.25, 0.3])


@dataclass(frozen=True, eq=False)
class Shape:
    """An object's primitives, the half sizes of its footprint, its height, and its flat top, if things fit on it.

    `lying_radius` is the radius of objects that may lie on their side, 0 for the others.
    """

    primitives: tuple[Primitive, ...]
    footprint: tuple[float, float]
    height: float
    seat: tuple[float, float] | None = None
    lying_radius: float = 0.0


def _accent(color: Vector, amount: float = 0.45) -> Vector:
    """Return a shade of the colour: darker, or lighter for dark colours."""
    target = np.zeros(3) if color.mean() > 0.3 else np.ones(3)
    return color + (target - color) * amount


def _mug(color: Vector, rng: np.random.Generator) -> Shape:
    r, h = rng.uniform(0.048, 0.054), rng.uniform(0.1, 0.115)
    loop = np.array([(r * 0.95, 0, h * 0.84), (r * 1.62, 0, h * 0.8), (r * 1.8, 0, h * 0.45), (r * 0.95, 0, h * 0.2)])
    handle = [capsule(loop[i], loop[i + 1], 0.009, color) for i in range(3)]
    return Shape((mesh("cup", (r, r, h), (0, 0, 0), color), *handle), (r * 1.45, r), h)


def _can(color: Vector, rng: np.random.Generator) -> Shape:
    r, h = rng.uniform(0.041, 0.045), rng.uniform(0.125, 0.14)
    parts = (
        cylinder(r, h / 2, (0, 0, h / 2), color),
        cylinder(r * 0.94, 0.004, (0, 0, h + 0.003), _STEEL * 1.4),
        cylinder(r * 0.7, 0.002, (0, 0, h + 0.0065), _STEEL),
        cylinder(r * 1.012, h * 0.06, (0, 0, h * 0.5), _accent(color)),
    )
    return Shape(parts, (r, r), h + 0.008, lying_radius=r)


def _bottle(color: Vector, rng: np.random.Generator) -> Shape:
    r, h = rng.uniform(0.04, 0.046), rng.uniform(0.24, 0.27)
    body, slope = h * 0.56, h * 0.17
    parts = (
        cylinder(r, body / 2, (0, 0, body / 2), color),
        mesh("shoulder", (r, r, slope), (0, 0, body), color),
        cylinder(r * 0.4, h * 0.12, (0, 0, body + slope + h * 0.1), color),
        cylinder(r * 0.46, h * 0.035, (0, 0, h * 0.965), _accent(color, 0.55)),
    )
    return Shape(parts, (r, r), h, lying_radius=r)


def _bowl(color: Vector, rng: np.random.Generator) -> Shape:
    r = rng.uniform(0.078, 0.088)
    h = r * rng.uniform(0.72, 0.85)
    return Shape((mesh("bowl", (r, r, h), (0, 0, 0), color),), (r * 0.9, r * 0.9), h)


def _ball(color: Vector, rng: np.random.Generator) -> Shape:
    r = rng.uniform(0.05, 0.056)
    return Shape((sphere(r, (0, 0, r), color),), (r * 0.9, r * 0.9), 2 * r)


def _box(color: Vector, rng: np.random.Generator) -> Shape:
    a, b, h = rng.uniform(0.06, 0.075), rng.uniform(0.045, 0.06), rng.uniform(0.045, 0.06)
    tape = block((a * 1.006, b * 0.1, h * 1.006), (0, 0, h), _accent(color, 0.35))
    return Shape((block((a, b, h), (0, 0, h), color), tape), (a, b), 2 * h, seat=(a, b))


def _book(color: Vector, rng: np.random.Generator) -> Shape:
    a, b, h = rng.uniform(0.085, 0.1), rng.uniform(0.062, 0.072), rng.uniform(0.022, 0.028)
    cover = 0.006
    parts = (
        block((a * 0.97, b * 0.96, h - cover), (-0.003, 0, h), _PAPER),
        block((a, b, cover), (0, 0, cover), color),
        block((a, b, cover), (0, 0, 2 * h - cover), color),
        block((cover, b, h), (a - cover, 0, h), color),
        block((a * 0.4, b * 0.1, 0.001), (0, b * 0.3, 2 * h + 0.0005), _accent(color)),
    )
    return Shape(parts, (a, b), 2 * h, seat=(a, b))


def _notebook(color: Vector, rng: np.random.Generator) -> Shape:
    a, b, h = rng.uniform(0.08, 0.09), rng.uniform(0.095, 0.11), 0.006
    rings = [
        cylinder(0.011, 0.0035, (-a, y, h), _STEEL * 1.3, about_x(np.pi / 2))
        for y in np.linspace(-b * 0.85, b * 0.85, 7)
    ]
    label = block((a * 0.4, b * 0.35, 0.0008), (a * 0.1, 0, 2 * h + 0.0004), np.array([0.9, 0.9, 0.88]))
    frame = block((a * 0.46, b * 0.41, 0.0005), (a * 0.1, 0, 2 * h + 0.0002), _accent(color, 0.6))
    return Shape((block((a, b, h), (0, 0, h), color), frame, label, *rings), (a, b), 2 * h, seat=(a, b))


def _pen(color: Vector, rng: np.random.Generator) -> Shape:
    length, r = rng.uniform(0.085, 0.1), rng.uniform(0.0125, 0.0145)
    dark = _accent(color, 0.5)
    tip = length * 0.72
    parts = (
        capsule((-length, 0, r), (tip, 0, r), r, color),
        mesh("spike", (r, r, length * 0.28), (tip + r * 0.4, 0, r), dark, _FORWARD),
        cylinder(r * 1.06, length * 0.03, (-length * 0.2, 0, r * 1.06), dark, _FORWARD),
    )
    return Shape(parts, (length + r, r), 2 * r)


def _hammer(color: Vector, rng: np.random.Generator) -> Shape:
    length, r = rng.uniform(0.105, 0.12), rng.uniform(0.014, 0.017)
    head = r * 1.45
    iron = _STEEL * 0.55
    parts = (
        capsule((-length, 0, head), (length * 0.8, 0, head), r, color),
        block((head, length * 0.32, head), (length * 0.82, 0, head), iron),
        cylinder(head * 1.15, length * 0.09, (length * 0.82, length * 0.4, head * 1.15), iron, about_x(np.pi / 2)),
    )
    return Shape(parts, (length, length * 0.42), 2.3 * head)


_FORWARD = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])


def _wheels(length: float, width: float, radius: float) -> list[Primitive]:
    return [
        cylinder(radius, 0.13, (x * length * 0.62, y * (width - 0.08), radius), _RUBBER, about_x(np.pi / 2))
        for x in (-1, 1)
        for y in (-1, 1)
    ]


def _lamps(length: float, width: float, z: float) -> list[Primitive]:
    lamps = []
    for y in (-1, 1):
        lamps.append(block((0.03, 0.15, 0.09), (length, y * width * 0.68, z), (1.0, 0.97, 0.8)))
        lamps.append(block((0.03, 0.12, 0.09), (-length, y * width * 0.72, z), (0.45, 0.08, 0.08)))
    return lamps


def _car(color: Vector, rng: np.random.Generator) -> Shape:
    length, width = rng.uniform(1.65, 1.85), rng.uniform(0.76, 0.84)
    parts = (
        block((length, width, 0.32), (0, 0, 0.62), color),
        mesh("cabin", (length * 0.6, width * 0.93, 0.5), (-length * 0.1, 0, 0.94), _GLASS),
        block((length * 0.4, width * 0.8, 0.05), (-length * 0.13, 0, 1.45), color),
        *[
            capsule((x0 * length, y * width * 0.9, 0.94), (x1 * length, y * width * 0.79, 1.43), 0.05, color)
            for y in (-1, 1)
            for x0, x1 in ((0.48, 0.25), (-0.68, -0.5), (-0.1, -0.12))
        ],
        *_wheels(length, width, 0.33),
        *_lamps(length, width, 0.68),
    )
    return Shape(parts, (length, width), 1.5)


def _van(color: Vector, rng: np.random.Generator) -> Shape:
    length, width = rng.uniform(1.9, 2.15), rng.uniform(0.86, 0.94)
    parts = (
        block((length, width, 0.42), (0, 0, 0.78), color),
        mesh("hood", (length * 0.97, width * 0.98, 1.2), (-length * 0.03, 0, 1.18), color),
        block((length * 0.17, width * 0.99, 0.27), (length * 0.62, 0, 1.75), _GLASS),
        block((0.05, width * 0.75, 0.3), (length * 0.885, 0, 1.75), _GLASS),
        *_wheels(length, width, 0.37),
        *_lamps(length, width, 0.8),
    )
    return Shape(parts, (length, width), 2.4)


def _person(color: Vector, rng: np.random.Generator) -> Shape:
    skin = np.array([0.85, 0.65, 0.52]) * rng.uniform(0.45, 1.05)
    hair = np.array([0.16, 0.12, 0.09]) * rng.uniform(0.6, 2.5)
    trousers = color * 0.55 if color.mean() > 0.2 else color * 1.6
    step = rng.uniform(0.05, 0.3)
    parts: list[Primitive] = []
    for y, q in ((0.14, step), (-0.14, -step)):
        parts.append(capsule((q, y, 0.1), (0, y, 0.85), 0.12, trousers))
        parts.append(capsule((0, y * 2.2, 1.4), (-q * 1.2, y * 2.75, 0.9), 0.09, color))
        parts.append(sphere(0.085, (-q * 1.25, y * 2.8, 0.84), skin))
    parts += [
        capsule((0, 0, 0.95), (0, 0, 1.32), 0.25, color),
        block((0.15, 0.27, 0.27), (0, 0, 1.14), color),
        sphere(0.17, (0, 0, 1.7), skin),
        ellipsoid((0.175, 0.18, 0.11), (-0.03, 0, 1.79), hair),
    ]
    return Shape(scaled(parts, 1.28), (0.36 * 1.28, 0.42 * 1.28), 1.9 * 1.28)


def _cone(color: Vector, rng: np.random.Generator) -> Shape:
    r, h = rng.uniform(0.5, 0.58), rng.uniform(1.45, 1.65)
    low, high = 0.46, 0.6
    band = np.array([0.92, 0.92, 0.9]) if color.mean() < 0.75 else color * 0.55
    collar = r * (1.035 - 0.87 * low)
    parts = (
        block((r * 1.15, r * 1.15, 0.07), (0, 0, 0.07), _accent(color, 0.3)),
        mesh("spike", (r, r, h), (0, 0, 0.07), color),
        mesh("ring", (collar, collar, h * (high - low)), (0, 0, 0.07 + h * low), band),
    )
    return Shape(parts, (r * 1.15, r * 1.15), h + 0.07)


_MAKERS: dict[str, Callable[[Vector, np.random.Generator], Shape]] = {
    "mug": _mug,
    "box": _box,
    "bottle": _bottle,
    "bowl": _bowl,
    "ball": _ball,
    "can": _can,
    "book": _book,
    "notebook": _notebook,
    "pen": _pen,
    "hammer": _hammer,
    "car": _car,
    "van": _van,
    "person": _person,
    "cone": _cone,
}


def make(category: str, color: Vector, size: str, rng: np.random.Generator) -> Shape:
    """Return a new object of a category, in a colour (RGB in 0..1) and a size ("small", "medium", "large")."""
    shape = _MAKERS[category](color, rng)
    s = SCALES[size]
    return Shape(
        scaled(shape.primitives, s),
        (shape.footprint[0] * s, shape.footprint[1] * s),
        shape.height * s,
        (shape.seat[0] * s, shape.seat[1] * s) if shape.seat else None,
        shape.lying_radius * s,
    )
