"""Bounds and silhouettes of solids against points sampled on them."""

from __future__ import annotations

import numpy as np
import pytest

from egm_core.scenes.projection import bounds, look_at, mask_box, on_pixels, silhouette
from egm_core.scenes.worlds.primitives import (
    MESHES,
    Kind,
    Primitive,
    about_x,
    about_y,
    about_z,
    along,
    block,
    capsule,
    cylinder,
    ellipsoid,
    local_extent,
    mesh,
    placed,
    sphere,
)

VIEW = look_at(np.array([0.2, -1.5, 0.8]), np.array([0.0, 0.0, 0.1]), 230.0, 240, 180, 0.05, 20.0, 0.1)
GRAY = (0.5, 0.5, 0.5)
SOLIDS = [
    sphere(0.08, (0.1, 0.0, 0.1), GRAY),
    ellipsoid((0.1, 0.05, 0.02), (0.0, 0.1, 0.05), GRAY),
    capsule((-0.2, 0.1, 0.0), (0.1, -0.1, 0.2), 0.03, GRAY),
    cylinder(0.07, 0.1, (0.0, 0.0, 0.1), GRAY, about_x(0.7)),
    block((0.1, 0.05, 0.08), (0.1, 0.1, 0.05), GRAY, about_z(0.5)),
    mesh("bowl", (0.1, 0.1, 0.07), (0.0, 0.0, 0.0), GRAY),
]


def surface(solid: Primitive) -> np.ndarray:
    """Points that cover the surface of a round solid, or a mesh's and box's hull corners."""
    angle, other = np.meshgrid(np.linspace(0, 2 * np.pi, 200), np.linspace(0, np.pi, 100))
    ball = np.stack([np.sin(other) * np.cos(angle), np.sin(other) * np.sin(angle), np.cos(other)], -1).reshape(-1, 3)
    a, b, c = solid.size
    if solid.kind is Kind.SPHERE:
        points = ball * a
    elif solid.kind is Kind.ELLIPSOID:
        points = ball * (a, b, c)
    elif solid.kind is Kind.CAPSULE:
        points = ball * a + np.where(ball[:, 2:] > 0, 1, -1) * (0, 0, b)
    elif solid.kind is Kind.CYLINDER:
        rim = np.stack([np.cos(angle[0]), np.sin(angle[0]), np.zeros(200)], -1) * a
        end = np.array([0.0, 0.0, b])
        points = np.concatenate([rim + end, rim - end])
    else:
        cube = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        points = (cube if solid.kind is Kind.BOX else MESHES[solid.mesh][0]) * solid.size
    return points @ solid.rotation.T + solid.position


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: s.kind.name)
def test_bounds_are_exact(solid: Primitive) -> None:
    pixels = VIEW.project(surface(solid))
    box, depth = bounds(VIEW, [solid])
    expected = (*pixels[:, :2].min(0), *pixels[:, :2].max(0))
    assert box == pytest.approx(expected, abs=0.05)
    assert depth <= pixels[:, 2].min() + 1e-6


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: s.kind.name)
def test_silhouettes_fill_their_bounds(solid: Primitive) -> None:
    box, _ = bounds(VIEW, [solid])
    shape = silhouette(VIEW, [solid], box)
    assert np.abs(np.subtract(shape.box, on_pixels(box))).max() <= 1
    canvas = np.zeros((180, 240), np.uint8)
    assert shape.crop(canvas).shape == shape.mask.shape


@pytest.mark.parametrize("solid", SOLIDS, ids=lambda s: s.kind.name)
def test_extents_hold_the_surface_tightly(solid: Primitive) -> None:
    low, high = local_extent([solid])
    points = surface(solid)
    assert low == pytest.approx(points.min(0), abs=2e-3) and high == pytest.approx(points.max(0), abs=2e-3)


def test_a_view_sees_the_ground_where_it_projects_it() -> None:
    for u, v in ((20.0, 150.0), (120.0, 90.0), (230.5, 100.0)):
        point = VIEW.ground_point(u, v, z=0.03)
        assert point is not None
        assert VIEW.project(np.array([[*point, 0.03]]))[0, :2] == pytest.approx((u, v), abs=1e-6)
    assert VIEW.ground_point(120.0, -500.0) is None


def test_the_camera_is_optical() -> None:
    camera = VIEW.camera
    right, down, forward = camera.rotation
    assert np.cross(right, down) == pytest.approx(forward) and down[2] < 0 < forward[1]
    assert (camera.fx, camera.cx, camera.cy) == (230.0, 120.0, 90.0)


def test_rotations_and_placing_agree() -> None:
    direction = np.array([0.3, -0.9, 0.2])
    turn = along(direction)
    assert turn @ turn.T == pytest.approx(np.eye(3)) and np.linalg.det(turn) == pytest.approx(1.0)
    assert turn[:, 2] == pytest.approx(direction / np.linalg.norm(direction))
    moved = placed([sphere(0.1, (1.0, 0.0, 0.0), GRAY)], about_z(np.pi / 2), np.array([0.0, 0.0, 2.0]))[0]
    assert moved.position == pytest.approx([0.0, 1.0, 2.0])
    assert about_y(np.pi / 2) @ [0.0, 0.0, 1.0] == pytest.approx([1.0, 0.0, 0.0])


def test_pixels_belong_to_a_box_by_their_centres() -> None:
    assert on_pixels((0.4, 0.6, 2.5, 2.4)) == (0.0, 1.0, 2.0, 2.0)
    mask = np.zeros((4, 5), np.bool_)
    assert mask_box(mask) == (0.0, 0.0, 0.0, 0.0)
    mask[1, 2] = mask[3, 4] = True
    assert mask_box(mask) == (2.0, 1.0, 5.0, 4.0)
