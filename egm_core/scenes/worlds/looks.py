"""The two worlds without their objects: where the camera stands, what lies behind, and the light.

Backgrounds keep a low saturation and mostly middle brightness, and scenes are bright: objects' colours must stay
clear at a few dozen pixels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from egm_core.scenes.projection import View, look_at
from egm_core.scenes.render import TEXTURES, Light
from egm_core.scenes.truth import World
from egm_core.scenes.worlds.primitives import Primitive, Vector, about_z, block, cylinder, ellipsoid

TABLE_HALF = (0.62, 0.5)


def grey(rng: np.random.Generator, low: float, high: float, tint: float = 0.025) -> Vector:
    """Return a colour of low saturation with a brightness between `low` and `high`."""
    return np.clip(rng.uniform(low, high) + rng.normal(0.0, tint, 3), 0.03, 0.97)


def _texture(rng: np.random.Generator, share: float = 0.75) -> int:
    return int(rng.integers(TEXTURES)) if rng.random() < share else -1


def view(rng: np.random.Generator, world: World, width: int, height: int) -> View:
    """Return a camera for a world: the visible width at the scene's middle is about 0.65 m or 11 m."""
    u = rng.uniform
    reference = float(np.sqrt(width * height))
    focal = reference / (2 * np.tan(np.radians(u(34, 46)) / 2))
    if world == "tabletop":
        elevation, azimuth, span = np.radians(u(18, 42)), u(-0.5, 0.5), u(0.58, 0.74)
        target = np.array([u(-0.04, 0.04), u(-0.06, 0.04), 0.06])
        near, far, distance = 0.05, 14.0, span * focal / reference
    else:
        elevation, azimuth, span = np.radians(u(11, 27)), u(-0.3, 0.3), u(9.5, 12.5)
        target = np.array([u(-0.6, 0.6), u(-0.4, 0.4), 0.9])
        near, far, distance = 0.4, 160.0, span * focal / reference
    direction = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    roll = float(rng.normal(0.0, 0.02))
    return look_at(target + distance * direction, target, focal, width, height, near, far, roll)


def backdrop(rng: np.random.Generator, world: World) -> tuple[Primitive, ...]:
    """Return everything that is neither an object nor something that hides one."""
    return tuple(_room(rng) if world == "tabletop" else _road(rng))


def _room(rng: np.random.Generator) -> list[Primitive]:
    u = rng.uniform
    table = about_z(u(-0.12, 0.12))
    wood = grey(rng, 0.42, 0.8, 0.02)
    if rng.random() < 0.5:
        wood = np.clip(wood * np.array([1.12, 1.0, 0.84]), 0, 1)
    parts = [
        block((*TABLE_HALF, 0.02), (0, 0, -0.02), wood, table, _texture(rng)),
        block((5, 5, 0.01), (0, 0, -0.76), grey(rng, 0.4, 0.8), texture=_texture(rng)),
    ]
    wall_y = u(0.75, 1.7)
    tilt = about_z(u(-0.25, 0.25))
    parts.append(block((5, 0.02, 3), (0, wall_y, 0.4), grey(rng, 0.5, 0.88), tilt, _texture(rng)))
    for _ in range(int(rng.integers(0, 4))):
        frame = (u(0.08, 0.25), 0.012, u(0.08, 0.22))
        hung = tilt @ np.array([u(-0.9, 0.9), -0.03, u(0.0, 0.7)]) + (0, wall_y, 0.1)
        parts.append(block(frame, hung, grey(rng, 0.25, 0.8, 0.04), tilt, _texture(rng)))
    if rng.random() < 0.4:
        half = (u(0.12, 0.3), u(0.1, 0.22), 0.001)
        spot = (u(-0.2, 0.2), u(-0.2, 0.2), 0.0)
        parts.append(block(half, spot, grey(rng, 0.3, 0.8), about_z(u(-0.4, 0.4)), _texture(rng)))
    for _ in range(int(rng.integers(0, 5))):
        x, y = u(-0.58, 0.58), u(0.4, 0.48)
        half = (u(0.02, 0.06), 0.02, u(0.01, 0.08))
        parts.append(block(half, (x, y, half[2]), grey(rng, 0.25, 0.75), about_z(u(-0.5, 0.5)), _texture(rng)))
    return parts


def _road(rng: np.random.Generator) -> list[Primitive]:
    u = rng.uniform
    ground = grey(rng, 0.45, 0.75) if rng.random() < 0.6 else np.array([0.52, 0.6, 0.45]) * u(0.8, 1.25)
    parts = [block((70, 70, 0.05), (0, 0, -0.09), ground, texture=_texture(rng))]
    half, middle, turn = u(3.2, 4.6), u(-1.2, 1.2), about_z(u(-0.12, 0.12))
    across = turn @ np.array([0.0, 1.0, 0.0])
    along = turn @ np.array([1.0, 0.0, 0.0])
    center, up = np.array([0.0, middle, 0.0]), np.array([0.0, 0.0, 1.0])
    parts.append(block((70, half, 0.03), center - up * 0.05, grey(rng, 0.38, 0.62, 0.01), turn, _texture(rng, 0.5)))
    for i in range(-5, 6):
        mark = center + along * i * 3.2 - up * 0.02
        parts.append(block((0.8, 0.08, 0.005), mark, grey(rng, 0.7, 0.85, 0.01), turn))
    for side in (-1, 1):
        curb = center + across * side * (half + 0.15) - up * 0.03
        parts.append(block((70, 0.15, 0.06), curb, grey(rng, 0.5, 0.7, 0.01), turn))
    sky = np.array([0.66, 0.76, 0.88]) * u(0.85, 1.05)
    parts.append(replace(block((120, 0.1, 80), (0, 75, 10), sky), emission=0.6))
    x = -30.0
    while x < 30.0:
        w, h, y = u(2.5, 6), u(2.5, 9), u(11, 16)
        color = grey(rng, 0.45, 0.85, 0.03)
        parts.append(block((w, 1, h), (x + w, y, h), color, texture=_texture(rng)))
        glass = grey(rng, 0.25, 0.45, 0.02)
        columns, rows = int(w // 1.2), int(min(h, 4) // 1.1)
        for i in range(columns):
            for j in range(rows):
                at = (x + w + (i - (columns - 1) / 2) * 2 * w / columns, y - 1, 1.6 + j * 2.4)
                parts.append(block((0.45, 0.05, 0.7), at, glass))
        x += 2 * w + u(0, 3)
    for _ in range(int(rng.integers(0, 5))):
        spot = np.array([u(-14, 14), u(8, 10), 0.0])
        parts.append(cylinder(0.2, 1.2, spot + up * 1.2, np.array([0.36, 0.3, 0.25])))
        crown = np.array([0.36, 0.45, 0.32]) * u(0.8, 1.2)
        parts.append(ellipsoid((u(1, 1.6), u(1, 1.6), u(1.2, 1.8)), spot + up * 3.4, crown))
    return parts


def lights(rng: np.random.Generator, world: World) -> tuple[Light, ...]:
    """Return a main light, casting shadows in 60 % of the scenes, and a fill light that carries the ambient.

    The ambient sits on the light without shadows, because a shadow darkens its own light's ambient too.
    """
    u = rng.uniform
    reach, spread, center = (3.2, 2.4, np.zeros(3))
    if world == "street":
        reach, spread, center = 24.0, 14.0, np.array([0.0, 1.0, 0.0])

    def direction() -> Vector:
        way = np.array([u(-1, 1), u(-0.5, 1), -u(0.8, 1.7)])
        return np.asarray(way / np.linalg.norm(way))

    main, fill = direction(), direction()
    warmth = np.clip(1 + rng.normal(0, 0.03, 3), 0.92, 1.08)
    ambient = u(0.62, 0.8)
    return (
        Light(
            center - main * reach,
            main,
            np.zeros(3),
            warmth * u(0.28, 0.42),
            np.full(3, u(0.0, 0.25)),
            bool(rng.random() < 0.6),
            spread,
        ),
        Light(center - fill * reach, fill, np.full(3, ambient), np.full(3, u(0.05, 0.15)), np.zeros(3), False, spread),
    )
