"""Figures with intervals: bootstrap over scenes, because the questions about one scene are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % interval and the number of values; NaNs where there is no value."""

    value: float
    low: float
    high: float
    count: int


EMPTY = Figure(float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True)
class Comparison:
    """A paired difference of means (second minus first), its 95 % interval, and how often it was above zero."""

    difference: float
    low: float
    high: float
    above_zero: float
    count: int


def _sums(values: ArrayLike, clusters: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _resampled(
    total: NDArray[np.float64], count: NDArray[np.float64], seed: int, resamples: int
) -> NDArray[np.float64]:
    """Give the means of resampled clusters."""
    draws = _draws(len(total), seed, resamples).astype(np.float64)
    means: NDArray[np.float64] = (draws @ total) / (draws @ count)
    return means


def mean(
    values: Sequence[float], clusters: Sequence[int], seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Figure:
    """Give the mean of values with a percentile bootstrap interval clustered by scene.

    `clusters` names the scene of each value. The same input gives the same interval.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values need as many clusters, not {len(clusters)}")
    if not len(values):
        return EMPTY
    total, count = _sums(values, clusters)
    low, high = np.quantile(_resampled(total, count, seed, resamples), [(1 - level) / 2, (1 + level) / 2])
    return Figure(float(total.sum() / count.sum()), float(low), float(high), len(values))


def resampled_means(
    values: Sequence[float], clusters: Sequence[int], seed: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Give the means of values over resamples of their scenes; the same scenes are drawn for any values of these."""
    return _resampled(*_sums(values, clusters), seed, resamples)


def macro_mean(
    values: Sequence[float],
    clusters: Sequence[int],
    groups: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Figure:
    """Give the plain mean of the means of groups, such as splits, with a bootstrap over clusters of all of them.

    A cluster that several groups share, such as a picture of two data sets, is drawn for all of them at once.
    """
    if not len(values) == len(clusters) == len(groups):
        counts = f"{len(clusters)} clusters and {len(groups)} groups"
        raise ValueError(f"{len(values)} values need as many clusters and groups, not {counts}")
    if not len(values):
        return EMPTY
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    index, of_group, number = index.reshape(-1), np.asarray(groups), int(index.max()) + 1
    draws = _draws(number, seed, resamples).astype(np.float64)
    means, wholes = [], []
    for group in sorted(set(groups)):
        mine = of_group == group
        found = np.asarray(values, dtype=np.float64)[mine]
        total = np.bincount(index[mine], weights=found, minlength=number)
        count = np.bincount(index[mine], minlength=number).astype(np.float64)
        drawn = draws @ count
        # A group of few pictures may be missing from a resample; its own mean stands in.
        means.append(np.divide(draws @ total, drawn, out=np.full(resamples, found.mean()), where=drawn > 0))
        wholes.append(found.mean())
    low, high = np.quantile(np.mean(means, axis=0), [(1 - level) / 2, (1 + level) / 2])
    return Figure(float(np.mean(wholes)), float(low), float(high), len(values))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[int],
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models on the same queries: mean of second minus first, with a paired, clustered bootstrap."""
    if not len(first) == len(second) == len(clusters):
        raise ValueError(
            f"a paired comparison needs the same queries in both, not {len(first)} and {len(second)} values "
            f"for {len(clusters)} clusters"
        )
    if not len(first):
        raise ValueError("there is nothing to compare: the two results have no query in common")
    total, count = _sums(np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64), clusters)
    means = _resampled(total, count, seed, resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Comparison(float(total.sum() / count.sum()), float(low), float(high), float((means > 0).mean()), len(first))
