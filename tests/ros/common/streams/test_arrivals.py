"""Counting what comes on a topic."""

from __future__ import annotations

import pytest

from egm_ros.common.streams.arrivals import WINDOW, Arrivals


def test_the_rate_is_that_of_the_last_seconds():
    arrivals = Arrivals()
    assert arrivals.rate(0.0) == 0.0
    for second in range(20):
        for part in range(30 if second < 10 else 10):
            arrivals.came(second + part / 30.0, 0.1)
        rate = arrivals.rate(second + 1.0)
        if 2 * WINDOW > second >= 1:
            assert rate == pytest.approx(30.0)
    assert rate == pytest.approx(10.0)


def test_silence_counts_from_the_last_image_or_from_when_listening_began():
    arrivals = Arrivals()
    assert arrivals.silent(10.0, 7.0) == 3.0
    arrivals.came(9.0, 0.0)
    assert arrivals.silent(10.0, 7.0) == 1.0
    assert arrivals.silent(10.0, 9.5) == 0.5
