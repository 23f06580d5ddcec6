"""What of many times is told: the mean, the median, and how long the slow ones take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Mean, median and percentiles, in milliseconds."""

    mean: float
    median: float
    p95: float
    p99: float


def spread(seconds: Sequence[float]) -> Spread | None:
    """Sum times up; None where there are none.

    A percentile is the least of the times that so many do not exceed: one that was measured, never one in between.
    """
    if not seconds:
        return None
    order = sorted(1000 * value for value in seconds)

    def at(share: float) -> float:
        return order[max(0, math.ceil(share * len(order)) - 1)]

    middle = len(order) // 2
    median = order[middle] if len(order) % 2 else (order[middle - 1] + order[middle]) / 2
    return Spread(sum(order) / len(order), median, at(0.95), at(0.99))
