"""What hides objects without being one: a robot's arm over the table, poles and a parked truck in the street."""

from __future__ import annotations

import numpy as np

from egm_core.boxes import Box
from egm_core.scenes.projection import View
from egm_core.scenes.worlds.looks import grey
from egm_core.scenes.worlds.primitives import Primitive, Vector, about_x, about_z, block, capsule, cylinder, sphere
from egm_core.scenes.worlds.stage import Footprint, Furniture

_BLACK: Vector = np.array([0.1, 0.1, 0.11])


def pole(rng: np.random.Generator, x: float, y: float) -> Furniture:
    """Return a lamp post standing at (x, y)."""
    radius, height = rng.uniform(0.15, 0.24), rng.uniform(4.5, 6.0)
    color = grey(rng, 0.3, 0.62, 0.015)
    parts = (
        cylinder(radius, height / 2, (0, 0, height / 2), color),
        cylinder(radius * 1.5, 0.12, (0, 0, 0.12), color * 0.8),
        block((0.5, 0.15, 0.08), (0.4, 0, height), color * 0.8),
    )
    yaw = rng.uniform(-np.pi, np.pi)
    footprint = Footprint(x, y, 0.0, (radius * 1.5, radius * 1.5))
    return Furniture("pole", parts, footprint, np.array([x, y, 0.0]), about_z(yaw))


def truck(rng: np.random.Generator, x: float, y: float) -> Furniture:
    """Return a parked box truck, pale and grey, along the road at (x, y)."""
    u = rng.uniform
    cargo, cab = grey(rng, 0.55, 0.8, 0.015), grey(rng, 0.35, 0.65, 0.02)
    half = (u(1.5, 1.9), 1.05, u(1.05, 1.25))
    nose = half[0] + 0.65
    parts: list[Primitive] = [
        block(half, (-0.5, 0, half[2] + 0.75), cargo),
        block((half[0], half[1] * 1.01, 0.06), (-0.5, 0, 0.95), cargo * 0.6),
        block((0.75, 0.98, 0.9), (nose - 0.3, 0, 1.35), cab),
        block((0.3, 1.0, 0.28), (nose - 0.1, 0, 1.75), _BLACK * 2.5),
        block((half[0] + 0.7, 0.85, 0.14), (0, 0, 0.6), _BLACK),
    ]
    for wheel in (-half[0] - 0.05, -half[0] + 0.95, nose - 0.3):
        for side in (-0.95, 0.95):
            parts.append(cylinder(0.45, 0.15, (wheel, side, 0.45), _BLACK, about_x(np.pi / 2)))
    yaw = u(-0.12, 0.12) + (np.pi if rng.random() < 0.5 else 0.0)
    footprint = Footprint(x, y, yaw, (half[0] + 1.0, 1.15))
    return Furniture("truck", tuple(parts), footprint, np.array([x, y, 0.0]), about_z(yaw))


def _ground_depth(view: View, u: float, v: float) -> float:
    point = view.ground_point(u, v)
    if point is None:
        return np.inf
    return float(view.rotation[2] @ (np.array([*point, 0.0]) - view.position))


def arm(rng: np.random.Generator, view: View, box: Box, depth: float) -> Furniture:
    """Return a robot's arm that reaches in over an object and hides one side of its box in the image.

    `box` is the object's in pixels, `depth` its distance; the arm passes between it and the camera.
    """
    u = rng.uniform
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    side = 1.0 if rng.random() < 0.5 else -1.0
    upright = rng.random() < 0.65 or height < 0.7 * width
    if upright:
        lean = u(-0.1, 0.5) * side
        way = np.array([np.sin(lean), -np.cos(lean)])
        normal, across = np.array([side, 0.0]), width
        tip_along = np.array([0.0, height * u(0.3, 0.7)])
    else:
        lean = u(0.05, 0.35)
        way = np.array([side * np.cos(lean), -np.sin(lean)])
        normal, across = np.array([0.0, -1.0]), height
        tip_along = -way * width * u(0.55, 0.75)
    cover = u(0.45, 0.72) * across
    depth *= u(0.74, 0.86)
    radius_px = float(np.clip(cover * 0.55, 0.02 * view.focal / depth, 0.062 * view.focal / depth))
    line = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + normal * (across / 2 - cover + radius_px)
    tip_px = line + tip_along
    depth = min(depth, 0.9 * _ground_depth(view, float(tip_px[0]), float(tip_px[1])))
    radius = radius_px * depth / view.focal

    def point(pixel: Vector, z: float) -> Vector:
        ray = np.array([(pixel[0] - view.width / 2) / view.focal, (pixel[1] - view.height / 2) / view.focal, 1.0])
        return view.position + view.rotation.T @ (ray * z)

    tip = point(tip_px, depth)
    up = point(tip_px + way * 100.0, depth) - tip
    up /= np.linalg.norm(up)
    toward = view.rotation[2]
    finger = 0.06
    wrist = tip + up * finger
    elbow = wrist + up * u(0.22, 0.34) + toward * u(-0.02, 0.06)
    shoulder = elbow + up * 0.35 + toward * u(0.05, 0.3)
    shell = grey(rng, 0.2, 0.85, 0.01)
    joint = shell * 0.6
    spread = np.cross(up, toward) * radius * 0.7
    parts = [
        capsule(wrist + up * radius * 0.3, elbow, radius, shell),
        capsule(elbow, shoulder, radius * 1.15, shell),
        sphere(radius * 1.2, elbow, joint),
        cylinder(radius * 1.08, 0.012, wrist + up * 0.05, joint, capsule(wrist, elbow, 1.0, shell).rotation),
        capsule(wrist - spread, wrist + spread, radius * 0.55, joint),
        capsule(wrist + spread, tip + spread, radius * 0.32, _BLACK * 2),
        capsule(wrist - spread, tip - spread, radius * 0.32, _BLACK * 2),
    ]
    return Furniture("arm", tuple(parts))
