"""When the next query may start."""

from __future__ import annotations

from itertools import pairwise

from egm_ros.grounding.turns import Pace


def test_the_rate_is_one_for_all_cameras():
    pace = Pace()
    assert pace.due("front") <= 100.0
    pace.started("front", 100.0, 0.5)
    assert pace.due("front") == pace.due("left") == 102.0
    pace.started("left", 102.0, 0.0)
    assert pace.due("front") <= 102.0


def test_a_new_rate_counts_from_now():
    pace = Pace()
    pace.started("", 100.0, 0.1)
    pace.restart()
    assert pace.due("") <= 100.0


def test_a_refresh_goes_ahead_of_the_rate_once_and_for_its_camera():
    pace = Pace()
    pace.started("front", 100.0, 0.1)
    pace.refresh("front", 101.0, 0.5)
    assert (pace.due("front"), pace.due("left")) == (101.0, 110.0)
    pace.started("front", 101.0, 0.1)
    assert pace.due("front") == 111.0


def test_many_refreshes_are_no_faster_than_the_interval():
    pace, served = Pace(), []
    pace.started("", 0.0, 0.01)
    for step in range(1, 1000):
        now = step * 0.01
        pace.refresh("", now, 0.5)
        if pace.due("") <= now:
            pace.started("", now, 0.01)
            served.append(now)
    assert len(served) == 20
    assert min(later - earlier for earlier, later in pairwise(served)) > 0.499


def test_a_refresh_for_nothing_is_forgotten():
    pace = Pace()
    pace.started("", 100.0, 0.1)
    pace.refresh("", 101.0, 0.5)
    pace.forget()
    assert pace.due("") == 110.0
