"""Intervals and paired comparisons against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from egm_core.evaluate.statistics import macro_mean, mean, paired_difference, wilson


def test_the_mean_is_over_values_not_over_scenes():
    figure = mean([1, 1, 1, 0], [7, 7, 7, 9])
    assert (figure.value, figure.count, figure.clusters) == (0.75, 4, 2)
    several = mean([1, 1, 1, 0, 1, 0, 0], [7, 7, 7, 9, 3, 4, 5])
    assert several.value == pytest.approx(4 / 7) and (several.low, several.high) == (0.0, pytest.approx(10 / 11))


@pytest.mark.parametrize("rights", [[1], [1, 0], [1, 1, 0], [1, 1, 1, 1]])
def test_fewer_than_five_scenes_have_no_interval(rights):
    figure = mean(rights * 3, [*range(len(rights))] * 3)
    assert figure.value == np.mean(rights) and figure.clusters == len(rights)
    assert not figure.bounded and math.isnan(figure.low) and math.isnan(figure.high)
    difference = paired_difference([0.0] * len(rights), rights, range(len(rights)))
    assert difference.difference == figure.value
    assert not difference.bounded and math.isnan(difference.above_zero)
    assert mean([1, 1, 1, 0, 1], range(5)).bounded


@pytest.mark.parametrize(("value", "count"), [(1.0, 5), (0.0, 5), (1.0, 100), (0.0, 40)])
def test_shares_that_are_alike_in_all_scenes_have_wilsons_interval(value, count):
    """Three answers a scene: the scenes count, not the answers."""
    figure = mean([value] * 3 * count, [*range(count)] * 3)
    assert (figure.low, figure.high) == pytest.approx(wilson(value * count, count))
    assert figure.high - figure.low == pytest.approx(3.8415 / (count + 3.8415), rel=1e-4)


def test_alike_between_the_ends_reaches_both_ways():
    figure = mean([1.0, 0.0] * 10, [n // 2 for n in range(20)])
    assert 0.3 < figure.low < 0.5 < figure.high < 0.7
    rough = mean([0.1 + 0.2, 0.3] * 5, range(10))
    assert rough.low < 0.3 < rough.high, "sums of floats differ in their last digits"


def test_what_is_no_share_has_no_interval_where_all_are_alike():
    assert not mean([0.0] * 10, range(10), share=False).bounded
    assert not paired_difference([10.0] * 10, [16.0] * 10, range(10), share=False).bounded
    assert mean([10.0, 20.0] * 5, range(10), share=False).bounded


@pytest.mark.parametrize("gain", [-1.0, 0.0, 1.0])
def test_a_difference_that_is_alike_in_all_scenes_is_not_sure(gain):
    first = [1.0 if gain < 0 else 0.0] * 20
    difference = paired_difference(first, [value + gain for value in first], range(20))
    other = wilson(0, 20)[1]
    assert difference.difference == gain and difference.high - difference.low == pytest.approx(2 * other)
    assert -1 <= difference.low <= gain <= difference.high <= 1
    assert math.isnan(difference.above_zero), "nothing was resampled"


def test_a_mean_of_splits_has_no_interval_where_one_is_of_few_scenes():
    rights = [1.0, 0.0] * 20
    whole = macro_mean(rights, range(40), ["a"] * 20 + ["b"] * 20)
    assert whole.bounded and whole.clusters == 20
    short = macro_mean(rights, range(40), ["a"] * 36 + ["b"] * 4)
    assert short.value == 0.5 and not short.bounded and short.clusters == 4


def test_a_mean_of_splits_that_are_alike_is_no_surer_than_one_of_them():
    alike = macro_mean([1.0] * 30, range(30), ["a"] * 10 + ["b"] * 20)
    assert alike.high == 1.0 and alike.low == pytest.approx((wilson(10, 10)[0] + wilson(20, 20)[0]) / 2)
    mixed = macro_mean([1.0] * 10 + [1.0, 0.0] * 50, range(110), ["a"] * 10 + ["b"] * 100)
    lone = mean([1.0, 0.0] * 50, range(100))
    assert mixed.value - mixed.low > (lone.value - lone.low) / 2, "the split that is alike adds to the reach"
    equal = macro_mean([0.0] * 20, range(20), ["a"] * 10 + ["b"] * 10, least=-1.0)
    assert equal.low == pytest.approx(-equal.high) and equal.high > 0.1


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
