"""Intervals and paired comparisons against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from egm_core.evaluate.statistics import mean, paired_difference


def test_the_mean_is_over_values_not_over_scenes():
    figure = mean([1, 1, 1, 0], [7, 7, 7, 9])
    assert figure.value == 0.75
    assert figure.count == 4
    assert (figure.low, figure.high) == (0.0, 1.0)


def test_equal_values_have_no_spread():
    figure = mean([0.4] * 10, range(10))
    assert figure.value == pytest.approx(0.4)
    assert figure.low == pytest.approx(0.4) == figure.high


def test_independent_values_have_the_textbook_interval():
    rng = np.random.default_rng(1)
    values = (rng.random(2000) < 0.3).astype(float)
    figure = mean(values.tolist(), range(2000))
    half = 1.96 * math.sqrt(figure.value * (1 - figure.value) / 2000)
    assert figure.value - figure.low == pytest.approx(half, rel=0.15)
    assert figure.high - figure.value == pytest.approx(half, rel=0.15)


def test_repeating_each_value_within_a_scene_does_not_narrow_the_interval():
    rng = np.random.default_rng(2)
    values = (rng.random(300) < 0.5).astype(float)
    once = mean(values.tolist(), range(300))
    tenfold = mean(np.repeat(values, 10).tolist(), np.repeat(np.arange(300), 10).tolist())
    naive = mean(np.repeat(values, 10).tolist(), range(3000))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert naive.high - naive.low < 0.5 * (once.high - once.low)


def test_the_same_input_gives_the_same_interval():
    values = np.random.default_rng(4).random(60).tolist()
    scenes = [i // 2 for i in range(60)]
    assert mean(values, scenes) == mean(values, scenes)
    assert mean(values, scenes, seed=1) != mean(values, scenes, seed=2)


def test_no_values_give_no_figure():
    assert math.isnan(mean([], []).value)
    assert mean([], []).count == 0
    with pytest.raises(ValueError, match="as many clusters"):
        mean([1.0], [])


def test_a_paired_comparison_sees_what_two_intervals_hide():
    rng = np.random.default_rng(3)
    first = (rng.random(400) < 0.5).astype(float)
    second = first.copy()
    second[np.flatnonzero(first == 0)[:20]] = 1.0
    difference = paired_difference(first.tolist(), second.tolist(), range(400))
    assert difference.difference == pytest.approx(0.05)
    assert 0.0 < difference.low < 0.05 < difference.high < 0.08
    assert difference.above_zero == 1.0
    one, two = mean(first.tolist(), range(400)), mean(second.tolist(), range(400))
    assert one.high > two.low
    with pytest.raises(ValueError, match="same queries"):
        paired_difference([1.0], [1.0, 0.0], [1])
