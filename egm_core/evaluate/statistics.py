"""Figures with intervals: bootstrap over scenes, because the questions about one scene are not independent.

A bootstrap draws only what it has seen. Fewer than five scenes get no interval, for theirs would be chance. Where all
scenes came out alike, such as all right, Wilson's interval says what share of scenes may still be otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
LEVEL = 0.95
# So many scenes or images at least have an interval.
FEWEST = 5
# Means of scenes that differ by less are alike: sums of floats.
_ALIKE = 1e-9
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval and the number of values; NaNs where there is no value, or no interval.

    `clusters` counts the scenes or images that the values are of; a mean of groups has that of its smallest group.
    """

    value: float
    low: float
    high: float
    count: int
    clusters: int = 0

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


NAN = float("nan")
EMPTY = Figure(NAN, NAN, NAN, 0)


@dataclass(frozen=True)
class Comparison:
    """A paired difference of means (second minus first), its 95 % interval, and how often it was above zero.

    `above_zero` is NaN where nothing was resampled: too few scenes, or all alike.
    """

    difference: float
    low: float
    high: float
    above_zero: float
    count: int
    clusters: int = 0

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)


def wilson(wrong: float, count: float, level: float = LEVEL) -> tuple[float, float]:
    """Give Wilson's interval of a share; 0 to 1 where nothing was counted."""
    if not count:
        return 0.0, 1.0
    share, z = wrong / count, NormalDist().inv_cdf((1 + level) / 2)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _alike(value: float, clusters: int, least: float, level: float) -> tuple[float, float]:
    """Give the interval of a mean in `least` to 1 where all clusters have the same.

    None in all clusters was otherwise, so that Wilson's interval bounds the share of those that are, at worst at
    either end. For shares that are all 0 or all 1 this is Wilson's interval itself.
    """
    other = wilson(0, clusters, level)[1]
    return value - other * (value - least), value + other * (1 - value)


def _sums(values: ArrayLike, clusters: Sequence[int]) -> tuple[Floats, Floats]:
    """Sum values and count them by cluster."""
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    index = index.reshape(-1)
    total = np.bincount(index, weights=np.asarray(values, dtype=np.float64)).astype(np.float64)
    return total, np.bincount(index).astype(np.float64)


@lru_cache(maxsize=32)
def _draws(clusters: int, seed: int, resamples: int) -> NDArray[np.uint16]:
    """Draw clusters with replacement: how often each one is in each resample (resamples, clusters)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.uint16)


def _resampled(total: Floats, count: Floats, seed: int, resamples: int) -> Floats:
    """Give the means of resampled clusters."""
    draws = _draws(len(total), seed, resamples).astype(np.float64)
    means: Floats = (draws @ total) / (draws @ count)
    return means


def mean(
    values: Sequence[float],
    clusters: Sequence[int],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    share: bool = True,
) -> Figure:
    """Give the mean of values with a percentile bootstrap interval clustered by scene.

    `clusters` names the scene of each value. The same input gives the same interval. Below five scenes there is none.
    Where all scenes have the same mean it is Wilson's, which needs values of 0 to 1: others (not `share`) have none.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values need as many clusters, not {len(clusters)}")
    if not len(values):
        return EMPTY
    total, count = _sums(values, clusters)
    least = 0.0 if share else None
    low, high, _ = _interval(total, count, least, seed, resamples, level)
    return Figure(float(total.sum() / count.sum()), low, high, len(values), len(total))


def _interval(
    total: Floats, count: Floats, least: float | None, seed: int, resamples: int, level: float
) -> tuple[float, float, Floats | None]:
    """Give the interval of a mean over clusters, and the resampled means where it is a bootstrap's.

    `least` is the smallest value that there may be where 1 is the largest; None where values have no bounds.
    """
    if len(total) < FEWEST:
        return NAN, NAN, None
    if np.ptp(total / count) < _ALIKE:
        value = float(total.sum() / count.sum())
        return (NAN, NAN, None) if least is None else (*_alike(value, len(total), least, level), None)
    means = _resampled(total, count, seed, resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), means


def resampled_means(
    values: Sequence[float], clusters: Sequence[int], seed: int = 0, resamples: int = RESAMPLES
) -> Floats:
    """Give the means of values over resamples of their scenes; the same scenes are drawn for any values of these."""
    return _resampled(*_sums(values, clusters), seed, resamples)


def ratio(part: Sequence[float], whole: Sequence[float], clusters: Sequence[int]) -> Figure:
    """Give the sum of `part` as a share of that of `whole`, with its interval: both are drawn over the same scenes."""
    count = len(set(clusters))
    own, all_of_it = (resampled_means(values, clusters) for values in (part, whole))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(np.sum(part), np.sum(whole)))
        low, high = np.nanquantile(own / all_of_it, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        if count < FEWEST or not high - low >= _ALIKE:
            low, high = NAN, NAN
    return Figure(value, float(low), float(high), len(part), count)


def macro_mean(
    values: Sequence[float],
    clusters: Sequence[int],
    groups: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    least: float = 0.0,
) -> Figure:
    """Give the plain mean of the means of groups, such as splits, with a bootstrap over clusters of all of them.

    A cluster that several groups share, such as a picture of two data sets, is drawn for all of them at once. A group
    of fewer than five clusters leaves the mean without an interval. A group whose clusters are all alike adds the
    reach of Wilson's interval, at worst. Values are of `least` to 1: -1 for differences.
    """
    if not len(values) == len(clusters) == len(groups):
        counts = f"{len(clusters)} clusters and {len(groups)} groups"
        raise ValueError(f"{len(values)} values need as many clusters and groups, not {counts}")
    if not len(values):
        return EMPTY
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    index, of_group, number = index.reshape(-1), np.asarray(groups), int(index.max()) + 1
    sums = []
    for group in sorted(set(groups)):
        mine = of_group == group
        total = np.bincount(index[mine], weights=np.asarray(values, dtype=np.float64)[mine], minlength=number)
        sums.append((total, np.bincount(index[mine], minlength=number).astype(np.float64)))
    wholes = [float(total.sum() / count.sum()) for total, count in sums]
    whole, smallest = float(np.mean(wholes)), min(int((count > 0).sum()) for _, count in sums)
    if smallest < FEWEST:
        return Figure(whole, NAN, NAN, len(values), smallest)
    draws = _draws(number, seed, resamples).astype(np.float64)
    means, below, above = [], 0.0, 0.0
    for (total, count), mean_of_group in zip(sums, wholes, strict=True):
        there = count > 0
        if np.ptp(total[there] / count[there]) < _ALIKE:
            low, high = _alike(mean_of_group, int(there.sum()), least, level)
            below, above = below + (mean_of_group - low) / len(sums), above + (high - mean_of_group) / len(sums)
        drawn = draws @ count
        # A group of few pictures may be missing from a resample; its own mean stands in.
        means.append(np.divide(draws @ total, drawn, out=np.full(resamples, mean_of_group), where=drawn > 0))
    low, high = np.quantile(np.mean(means, axis=0), [(1 - level) / 2, (1 + level) / 2])
    # What was resampled and what could not be are independent: their reaches add up as the sides of a right angle.
    low, high = whole - math.hypot(max(whole - low, 0.0), below), whole + math.hypot(max(high - whole, 0.0), above)
    return Figure(whole, max(low, least), min(high, 1.0), len(values), smallest)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[int],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    share: bool = True,
) -> Comparison:
    """Compare two models on the same queries: mean of second minus first, with a paired, clustered bootstrap.

    Its interval is missing, or Wilson's, where that of `mean` is; `share` says that the values are of 0 to 1.
    """
    if not len(first) == len(second) == len(clusters):
        raise ValueError(
            f"a paired comparison needs the same queries in both, not {len(first)} and {len(second)} values "
            f"for {len(clusters)} clusters"
        )
    if not len(first):
        raise ValueError("there is nothing to compare: the two results have no query in common")
    total, count = _sums(np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64), clusters)
    low, high, means = _interval(total, count, -1.0 if share else None, seed, resamples, level)
    above = NAN if means is None else float((means > 0).mean())
    return Comparison(float(total.sum() / count.sum()), low, high, above, len(first), len(total))
