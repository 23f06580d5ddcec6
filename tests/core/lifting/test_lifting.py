"""Lifting on depth images whose truth is known: a ball, a box on the ground, what hides them, and no depth at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from egm_core.boxes import Box
from egm_core.lifting import Box3D, Camera, Lifted, LiftError, camera_of, corners, lift, moved, surface

WIDE, HIGH, FOCAL = 320, 240, 250.0
CAMERA = Camera(WIDE, HIGH, FOCAL, FOCAL, 160.0, 120.0)
ROWS, COLUMNS = np.mgrid[0:HIGH, 0:WIDE] + 0.5
RAY_X, RAY_Y = (COLUMNS - 160.0) / FOCAL, (ROWS - 120.0) / FOCAL
CENTER, RADIUS = np.array([0.2, -0.1, 2.0]), 0.25


def ball() -> tuple[np.ndarray, np.ndarray, Box]:
    """A ball before a wall at 5 m: depth, its pixels, its box."""
    a = RAY_X**2 + RAY_Y**2 + 1
    b = RAY_X * CENTER[0] + RAY_Y * CENTER[1] + CENTER[2]
    root = b * b - a * (CENTER @ CENTER - RADIUS**2)
    seen = root > 0
    depth = np.where(seen, (b - np.sqrt(np.maximum(root, 0))) / a, 5.0)
    return depth.astype(np.float32), seen, box_around(seen)


def box_around(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def on_the_ground(distance: float = 8.0) -> tuple[np.ndarray, Box]:
    """A crate of 1 m, its front at a distance, on ground 1.5 m below the camera."""
    depth = np.where(RAY_Y > 0.01, 1.5 / np.maximum(RAY_Y, 0.01), 150.0)
    front = (np.abs(RAY_X * distance) < 0.5) & (RAY_Y * distance < 1.5) & (RAY_Y * distance > 0.5)
    return np.where(front, distance, depth).astype(np.float32), box_around(front)


def found(lifted: Lifted) -> tuple[Box3D, Box3D]:
    assert lifted.reason == ""
    assert lifted.visible is not None
    assert lifted.amodal is not None
    return lifted.visible, lifted.amodal


def test_a_ball_is_where_it_is_and_as_large_as_it_is() -> None:
    depth, seen, box = ball()
    lifted = lift(box, box, depth, CAMERA)
    visible, amodal = found(lifted)
    assert lifted.range == pytest.approx(float(np.median(depth[seen])), rel=0.005)
    assert amodal.center == pytest.approx(CENTER, abs=0.02)
    assert amodal.size == pytest.approx([2 * RADIUS] * 3, abs=0.04)
    assert amodal.estimated
    assert amodal.doubt > 0
    assert not visible.estimated
    assert visible.center[2] + visible.size[2] / 2 < CENTER[2]
    assert visible.center[:2] == pytest.approx(np.array(CENTER[:2]) * visible.center[2] / CENTER[2], abs=0.01)


@pytest.mark.parametrize("distance", [3.0, 8.0, 25.0])
def test_the_ground_in_the_box_and_behind_it_does_not_count(distance: float) -> None:
    depth, box = on_the_ground(distance)
    # A box as a model draws it, with ground and sky in it.
    margin = 0.15 * (box[2] - box[0])
    loose = (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)
    for given_box in (box, loose):
        lifted = lift(given_box, given_box, depth, CAMERA)
        assert lifted.range == pytest.approx(distance, rel=0.002)
    _, amodal = found(lift(box, box, depth, CAMERA))
    assert amodal.center == pytest.approx((0.0, 1.0, distance + 0.5), abs=0.2 * max(1.0, distance / 8))


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6])
def test_what_hides_the_middle_does_not_count(part: float) -> None:
    depth, seen, box = ball()
    center, half = (box[0] + box[2]) / 2, part * (box[2] - box[0]) / 2
    pole = np.abs(COLUMNS - center) < half
    depth[pole] = 0.9
    lifted = lift(box, box, depth, CAMERA)
    visible, amodal = found(lifted)
    assert lifted.range == pytest.approx(float(np.median(depth[seen & ~pole])), rel=0.05)
    assert visible.center[2] - visible.size[2] / 2 > 1.5
    assert amodal.center == pytest.approx(CENTER, abs=0.16)


def test_half_a_ball_has_the_range_of_what_is_seen_and_the_centre_of_the_whole() -> None:
    depth, seen, whole = ball()
    wall = COLUMNS > 0.2 / 2.0 * FOCAL + 160 - 10
    depth[wall] = 1.2
    shown = box_around(seen & ~wall)
    visible, amodal = found(lift(shown, whole, depth, CAMERA))
    assert visible.center[0] < CENTER[0] - RADIUS / 3
    assert amodal.center == pytest.approx(CENTER, abs=0.05)


def test_holes_and_noise_are_borne() -> None:
    depth, seen, box = ball()
    rng = np.random.default_rng(0)
    truth = float(np.median(depth[seen]))
    depth = (depth * rng.normal(1, 0.005, depth.shape)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = rng.choice([0.0, np.nan, np.inf, -np.inf, -1.0])
    assert lift(box, box, depth, CAMERA).range == pytest.approx(truth, rel=0.01)


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -np.inf, -3.0])
def test_no_depth_is_named(hole: float) -> None:
    depth, _, box = ball()
    x0, y0, x1, y1 = (int(edge) for edge in box)
    depth[y0:y1, x0:x1] = hole
    assert lift(box, box, depth, CAMERA).reason == "no_valid_depth"
    depth[y0 + 2, x0 + 2 : x0 + 6] = 2.0
    lifted = lift(box, box, depth, CAMERA)
    assert (lifted.reason, lifted.pixels, lifted.visible) == ("few_valid_pixels", 4, None)
    assert lift(box, box, depth, CAMERA, min_pixels=4).range == 2.0


@pytest.mark.parametrize(
    "box", [(-50.0, 0.0, -1.0, 9.0), (5.0, 5.0, 5.0, 9.0), (9.0, 9.0, 5.0, 5.0), (np.nan, 0.0, 9.0, 9.0)]
)
def test_a_box_that_shows_nothing_is_named(box: Box) -> None:
    depth = np.ones((HIGH, WIDE), np.float32)
    assert lift(box, box, depth, CAMERA).reason == "outside_image"


def test_an_amodal_box_may_be_missing_and_may_leave_the_picture() -> None:
    depth, _, box = ball()
    lifted = lift(box, None, depth, CAMERA)
    assert lifted.visible is not None
    assert lifted.amodal is None
    _, amodal = found(lift(box, (box[0] - 400, *box[1:]), depth, CAMERA))
    assert amodal.center[0] < -1
    endless = lift(box, (-1.7e308, box[1], 1.7e308, box[3]), depth, replace(CAMERA, fx=0.1))
    assert endless.visible is not None
    assert endless.amodal is None


EDGES = st.floats(-60, 100) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300])
VALUES = st.floats(width=32) | st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e-45, 3e38, 1.0, 1.5, 2.0])


@settings(deadline=None, max_examples=200)
@given(
    arrays(np.float32, st.tuples(st.just(12), st.just(16)), elements=VALUES, fill=VALUES),
    st.tuples(EDGES, EDGES, EDGES, EDGES),
    st.none() | st.tuples(EDGES, EDGES, EDGES, EDGES),
    st.sampled_from([(), (-0.3, 0.1, 0.0, 0.0, 0.0)]),
)
def test_nothing_that_is_not_a_number_ever_comes_out(
    depth: np.ndarray, visible: Box, amodal: Box | None, lens: tuple[float, ...]
) -> None:
    camera = Camera(64, 48, 50.0, 50.0, 32.0, 24.0, distortion=lens)
    lifted = lift(visible, amodal, depth, camera, min_pixels=1)
    assert (lifted.visible is None) == bool(lifted.reason)
    for box in (lifted.visible, lifted.amodal):
        if box is not None:
            assert np.isfinite([*box.center, *box.size, *box.rotation, box.doubt]).all()
            assert min(box.size) > 0
            assert box.center[2] > 0
    if lifted.visible is not None:
        assert np.isfinite(lifted.range)
        assert (depth[np.isfinite(depth)] > 0).any()


def test_depth_of_another_size_is_scaled_and_of_another_shape_refused() -> None:
    depth, _, box = ball()
    full = lift(box, box, depth, CAMERA)
    for factor in (0.5, 2.0):
        other = cv2.resize(depth, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        lifted = lift(box, box, other, CAMERA)
        assert found(lifted)[1].center == pytest.approx(found(full)[1].center, abs=0.02)
    with pytest.raises(LiftError, match=r"320x180, but the picture is 320x240") as caught:
        lift(box, box, depth[:180], CAMERA)
    assert caught.value.reason == "depth_size"
    with pytest.raises(LiftError, match=r"depth_unit.*metres"):
        lift(box, box, (1000 * depth).astype(np.uint16), CAMERA)


def info(**changes: Any) -> SimpleNamespace:
    """What the driver of CAMERA says, as a CameraInfo."""
    k = [FOCAL, 0, 160, 0, FOCAL, 120, 0, 0, 1]
    p = [FOCAL, 0, 160, 0, 0, FOCAL, 120, 0, 0, 0, 1, 0]
    left, top, wide, high = changes.pop("region", (0, 0, 0, 0))
    roi = {"x_offset": left, "y_offset": top, "width": wide, "height": high}
    fields = {"width": WIDE, "height": HIGH, "k": k, "p": p, "d": [], "distortion_model": "plumb_bob"}
    return SimpleNamespace(**{**fields, "binning_x": 0, "binning_y": 0, "roi": SimpleNamespace(**roi), **changes})


@pytest.mark.parametrize("binning", [0, 1, 2, 3])
@pytest.mark.parametrize("region", [(0, 0, 0, 0), (120, 40, 180, 150)])
def test_region_and_binning_change_pixels_not_places(binning: int, region: tuple[int, int, int, int]) -> None:
    depth, _, box = ball()
    truth = found(lift(box, box, depth, CAMERA))[1]
    left, top, wide, high = region
    camera = camera_of(info(region=region, binning_x=binning, binning_y=binning))
    n = max(1, binning)
    part = depth[top : top + (high or HIGH), left : left + (wide or WIDE)]
    part = part[: camera.height * n : n, : camera.width * n : n]
    assert part.shape == (camera.height, camera.width)
    seen = tuple((edge - offset) / n for edge, offset in zip(box, (left, top, left, top), strict=True))
    lifted = found(lift(seen, seen, part, camera))[1]
    assert lifted.center == pytest.approx(truth.center, abs=0.03)
    assert lifted.size == pytest.approx(truth.size, abs=0.04)


def test_rectified_pictures_go_by_p_and_raw_ones_by_k_and_d() -> None:
    lens = [-0.2, 0.05, 0.001, -0.002, 0.0]
    message = info(d=lens, p=[200.0, 0, 150, 0, 0, 210.0, 110, 0, 0, 0, 1, 0])
    straight = camera_of(message)
    assert (straight.fx, straight.fy, straight.cx, straight.cy, straight.distortion) == (200.0, 210.0, 150, 110, ())
    bent = camera_of(message, rectified=False)
    assert (bent.fx, bent.cx) == (FOCAL, 160.0)
    points = np.array([[0.3, -0.2, 1.0], [-0.4, 0.1, 1.0]])
    matrix = np.array(message.k).reshape(3, 3)
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array(lens))
    np.testing.assert_allclose(bent.rays(pixels[:, 0]), points[:, :2], atol=1e-4)
    round_lens = [0.1, -0.02, 0.0, 0.0]
    fish = camera_of(info(d=round_lens, distortion_model="equidistant"), rectified=False)
    pixels, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), matrix, np.array(round_lens))
    np.testing.assert_allclose(fish.rays(pixels[:, 0]), points[:, :2], atol=1e-4)
    assert camera_of(info(p=[0.0] * 12)).fx == FOCAL


LENSES = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}


@pytest.mark.parametrize("model", LENSES)
@pytest.mark.parametrize("count", range(0, 16))
def test_any_number_of_coefficients_gives_rays_or_a_refusal(model: str, count: int) -> None:
    lens = [0.01 / (1 + number) for number in range(count)]
    message = info(d=lens, distortion_model=model)
    if not count or count in LENSES[model] or (model == "rational_polynomial" and 8 < count < 14):
        assert np.isfinite(camera_of(message, rectified=False).rays([[100.0, 80.0]])).all()
        return
    with pytest.raises(LiftError, match=f"{model} has") as caught:
        camera_of(message, rectified=False)
    assert caught.value.reason == "bad_distortion"
    # The picture without distortion needs no coefficients.
    assert camera_of(message).distortion == ()


@pytest.mark.parametrize("model", LENSES)
def test_coefficients_of_zero_after_the_last_change_nothing(model: str) -> None:
    lens = [0.02, -0.01, 0.004, 0.003][: LENSES[model][0]] + [0.001] * (LENSES[model][0] - 4)
    short = camera_of(info(d=lens, distortion_model=model), rectified=False)
    long = camera_of(info(d=lens + [0.0] * 7, distortion_model=model), rectified=False)
    np.testing.assert_array_equal(short.rays([[100.0, 80.0]]), long.rays([[100.0, 80.0]]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"d": [np.nan] * 5}, "bad_distortion"),
        ({"k": [0.0] * 9, "p": [0.0] * 12}, "no_camera"),
        ({"p": [np.nan] * 12, "k": [np.nan] * 9}, "no_camera"),
        ({"width": 0}, "no_camera"),
        ({"d": [0.1] * 4, "distortion_model": "magic"}, "unknown_distortion"),
    ],
)
def test_a_camera_that_is_of_no_use_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(LiftError) as caught:
        camera_of(info(**changes), rectified=False)
    assert caught.value.reason == reason


def test_a_box_moves_into_another_frame() -> None:
    box = Box3D((1.0, 2.0, 3.0), (0.2, 0.4, 0.6), estimated=True, doubt=0.1)
    half = float(np.sqrt(0.5))
    turned = moved(box, (10.0, 0.0, 0.0), (0.0, 0.0, half, half))
    assert turned.center == pytest.approx((8.0, 1.0, 3.0))
    assert (turned.size, turned.estimated, turned.doubt) == (box.size, True, 0.1)
    assert np.ptp(corners(turned), axis=0) == pytest.approx([0.4, 0.2, 0.6])
    back = moved(turned, (0.0, 10.0, 0.0), (0.0, 0.0, -half, half))
    np.testing.assert_allclose(corners(back), corners(box), atol=1e-9)
    with pytest.raises(ValueError, match="turns nothing"):
        moved(box, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))


def test_a_flat_thing_on_the_plane_still_has_a_range() -> None:
    depth = np.full((HIGH, WIDE), 2.0, np.float32)
    depth[100:140, 150:200] = 1.995
    seen = surface(depth, (150.0, 100.0, 200.0, 140.0))
    assert seen is not None
    assert seen.middle == pytest.approx(1.995, abs=0.001)
