"""When the next query may start."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from egm_core.targets.board import Place, Target
from egm_core.targets.pace import Pace


def place(camera: str = "", number: int = 1) -> Place:
    return Place(camera, Target(0, number, f"thing {number}"))


FRONT, LEFT = place("front"), place("left")


def test_the_rate_is_one_for_all_cameras():
    pace = Pace()
    assert pace.due_at(FRONT) <= 100.0
    pace = pace.started(FRONT, 100.0, 0.5)
    assert pace.due_at(FRONT) == pace.due_at(LEFT) == 102.0
    assert pace.started(LEFT, 102.0, 0.0).due_at(FRONT) <= 102.0


def test_a_new_rate_counts_from_now():
    assert Pace().started(FRONT, 100.0, 0.1).restarted().due_at(FRONT) <= 100.0


def test_a_refresh_goes_ahead_of_the_rate_once_and_for_its_place():
    box = place("front", 2)
    pace = Pace().started(FRONT, 100.0, 0.1).wished([FRONT], 101.0, 0.5)
    assert (pace.due_at(FRONT), pace.due_at(box), pace.due_at(LEFT)) == (101.0, 110.0, 110.0)
    assert pace.started(FRONT, 101.0, 0.1).due_at(FRONT) == 111.0


def test_a_refresh_of_what_is_asked_no_more_is_forgotten():
    pace = Pace().started(FRONT, 100.0, 0.1).wished([FRONT, LEFT], 101.0, 0.5).kept([LEFT])
    assert (pace.due_at(FRONT), pace.due_at(LEFT)) == (110.0, 101.0)


@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=300))
def test_refreshes_of_one_camera_are_no_faster_than_the_interval(targets, wishes):
    """However many targets it has, and however they are asked for."""
    entries = [place("", number) for number in range(targets)]
    pace, served = Pace().started(entries[0], 0.0, 0.001), []
    for step, wish in enumerate(wishes, 1):
        now = step * 0.05
        pace = pace.wished([entries[wish % targets]], now, 0.5)
        for entry in entries:
            if pace.due_at(entry) <= now:
                pace = pace.started(entry, now, 0.001)
                served.append(now)
    assert all(later - earlier > 0.499 for earlier, later in pairwise(served))
    assert len(served) >= (len(wishes) - 1) // 10
