"""Depth that waits for a late answer: small, as right as it was, and dense where there is room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from egm_core.lifting import Camera, DepthMemory, lift, small_depth
from egm_core.lifting.depth_memory import FARTHEST, LEAST_SIDE, NEAREST

SECOND = 10**9


def message(samples: Any) -> Any:
    return SimpleNamespace(header=None, samples=samples, data=samples.reshape(-1).view(np.uint8))


def thin(waiting: Any, budget: float) -> Any:
    return small_depth(waiting.header, waiting.samples, budget)


def filled(high: int, wide: int, kind: Any) -> DepthMemory:
    """Give a memory that took in 12 s of a camera at 30 Hz."""
    memory = DepthMemory(10.0, 256 * 10**6, thin)
    frame = message(np.full((high, wide), 2000, kind))
    for number in range(360):
        memory.keep(number * SECOND // 30, frame)
        assert memory.bytes <= memory.limit
    return memory


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
@pytest.mark.parametrize(("wide", "high", "part"), [(640, 480, 1.0), (1280, 720, 0.34), (1920, 1080, 0.15)])
def test_ten_seconds_at_thirty_hertz_fit(kind: Any, wide: int, high: int, part: float) -> None:
    memory = filled(high, wide, kind)
    newest = 359 * SECOND // 30
    oldest = memory.at(newest - 10 * SECOND)
    assert oldest is not None
    assert not memory.crowded_out(newest - 10 * SECOND)
    assert oldest.samples.size >= part * wide * high
    assert memory.at(newest).samples.shape == (high, wide)


def test_millimetres_stay_what_they_were_and_metres_nearly() -> None:
    rng = np.random.default_rng(1)
    millimetres = rng.integers(0, 65536, (60, 80)).astype(np.uint16)
    kept = small_depth(None, millimetres, 1e9).metres()
    assert np.isnan(kept[millimetres == 0]).all()
    np.testing.assert_array_equal(kept[millimetres > 0], millimetres[millimetres > 0] * np.float32(0.001))
    metres = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST), (60, 80))).astype(np.float32)
    metres[:4, 0] = [np.nan, np.inf, -1.0, 0.0]
    kept = small_depth(None, metres, 1e9).metres()
    assert np.isnan(kept[:4, 0]).all()
    assert np.abs(kept[4:] / metres[4:] - 1).max() < 0.00015
    assert np.isfinite(kept[4:]).all()


def test_what_is_left_out_is_left_out_evenly_and_nothing_is_mixed() -> None:
    depth = np.where(np.arange(1000) < 500, 1.0, 5.0).astype(np.float32) * np.ones((500, 1), np.float32)
    small = small_depth(None, depth, 2 * 500 * 1000 / 7)
    assert small.density == pytest.approx(1 / 7, rel=0.02)
    assert small.size == (1000, 500)
    assert set(np.round(np.unique(small.metres()), 2)) == {1.0, 5.0}
    assert (small.metres() < 3).mean() == pytest.approx(0.5, abs=0.01)
    least = small_depth(None, depth, 10)
    assert max(least.samples.shape) == LEAST_SIDE


def test_what_is_kept_lies_about_the_middle_of_what_it_stands_for() -> None:
    """Kept from one end of each step, all that is measured in it would be shifted by half a step."""
    columns, rows = np.meshgrid(np.arange(1, 961), np.arange(1, 541))
    for ramp, middle in ((columns, 480.5), (rows, 270.5)):
        kept = small_depth(None, ramp.astype(np.uint16), 2 * 960 * 540 / 9).samples
        assert kept.mean() == pytest.approx(middle, abs=0.6)


def test_a_camera_for_whose_pictures_there_is_just_room_keeps_them_as_they_came() -> None:
    frame = message(np.full((40, 50), 2000, np.uint16))
    memory = DepthMemory(10.0, 12 * 40 * 50 * 2, thin)
    for number in range(6):
        memory.keep(5 * number * SECOND, frame)
    assert [memory.at(5 * number * SECOND) for number in (3, 4, 5)] == [frame] * 3


def test_boxes_from_depth_that_waited_are_where_they_were() -> None:
    """The places of 40 boxes of 30 to 300 pixels before a wall, in a picture of 1080p."""
    camera = Camera(1920, 1080, 1400.0, 1400.0, 960.0, 540.0)
    rng = np.random.default_rng(2)
    for _ in range(40):
        wide, high = rng.integers(30, 300, 2)
        left, top = rng.integers(0, 1920 - wide), rng.integers(0, 1080 - high)
        depth = np.full((1080, 1920), 6.0, np.float32)
        depth[top : top + high, left : left + wide] = 2.5
        box = tuple(float(edge) for edge in (left, top, left + wide, top + high))
        before = lift(box, box, depth, camera)
        small = small_depth(None, depth, 0.15 * 2 * depth.size)
        after = lift(box, box, small.metres(), camera, density=small.density)
        assert after.visible is not None
        assert before.visible is not None
        assert after.range == pytest.approx(before.range, rel=2e-4)
        assert after.visible.center == pytest.approx(before.visible.center, abs=0.002)
        assert after.pixels == pytest.approx(wide * high, rel=0.25)


def test_a_slow_camera_s_depth_stays_as_dense_as_it_came() -> None:
    memory = DepthMemory(10.0, 256 * 10**6, thin)
    frame = message(np.full((1080, 1920), 2000, np.uint16))
    for number in range(60):
        memory.keep(number * SECOND // 5, frame)
    assert memory.at(2 * SECOND) is frame
    assert not memory.crowded_out(0)


def test_where_even_the_least_is_too_much_the_oldest_go_and_that_is_known() -> None:
    memory = DepthMemory(10.0, 16 * 10**6, thin)
    frame = message(np.full((1080, 1920), 2.0, np.float32))
    for number in range(300):
        memory.keep(number * SECOND // 30, frame)
    assert memory.bytes <= 16 * 10**6
    assert memory.at(0) is None
    assert memory.crowded_out(0)
    assert not memory.crowded_out(299 * SECOND // 30)
