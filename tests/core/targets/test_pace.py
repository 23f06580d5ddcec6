"""When the next query may start."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from egm_core.targets.board import Place, Target
from egm_core.targets.pace import Pace


def place(camera: str = "", number: int = 1) -> Place:
    return Place(camera, Target(0, number, f"thing {number}"))


FRONT, LEFT = place("front"), place("left")


def test_the_rate_is_one_for_all_cameras():
    pace = Pace()
    assert pace.due_at(FRONT, True) <= 100.0
    pace = pace.started(FRONT, 100.0, 0.5)
    assert pace.due_at(FRONT, True) == pace.due_at(LEFT, True) == 102.0
    assert pace.started(LEFT, 102.0, 0.0).due_at(FRONT, True) <= 102.0


def test_a_new_rate_counts_from_now():
    assert Pace().started(FRONT, 100.0, 0.1).restarted().due_at(FRONT, True) <= 100.0


def test_a_refresh_goes_ahead_of_the_rate_once_and_for_its_place():
    box = place("front", 2)
    pace = Pace().started(FRONT, 100.0, 0.1).wished([FRONT], 101.0, 0.5)
    assert (pace.due_at(FRONT, True), pace.due_at(box, True), pace.due_at(LEFT, True)) == (101.0, 110.0, 110.0)
    assert pace.started(FRONT, 101.0, 0.1).due_at(FRONT, True) == 111.0


def test_a_refresh_of_what_is_asked_no_more_is_forgotten():
    pace = Pace().started(FRONT, 100.0, 0.1).wished([FRONT, LEFT], 101.0, 0.5).kept([LEFT])
    assert (pace.due_at(FRONT, True), pace.due_at(LEFT, True)) == (110.0, 101.0)


def test_a_refresh_waits_for_the_rate_unless_it_may_go_ahead_and_is_first_then():
    box = place("front", 2)
    pace = Pace().started(FRONT, 100.0, 0.1).wished([LEFT], 101.0, 0.5)
    assert [pace.due_at(entry, False) for entry in (FRONT, LEFT)] == [110.0, 110.0]
    assert [*pace.in_order([FRONT, box, LEFT], 110.0)] == [LEFT, FRONT, box]
    assert [*pace.in_order([FRONT, LEFT], 100.5)] == [FRONT, LEFT]
    again = pace.started(LEFT, 110.0, 0.1).wished([LEFT], 111.0, 0.5)
    assert [*again.in_order([FRONT, LEFT], 120.0)] == [FRONT, LEFT]
    assert [*again.started(FRONT, 120.0, 0.1).in_order([FRONT, LEFT], 130.0)] == [LEFT, FRONT]


def test_what_is_asked_once_counts_in_the_rate_and_serves_no_refresh():
    pace = Pace().wished([FRONT], 90.0, 0.5).started(None, 100.0, 0.5)
    assert (pace.due_at(FRONT, False), pace.due_at(FRONT, True)) == (102.0, 90.0)


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=200))
def test_whatever_is_wished_no_two_queries_are_closer_than_the_rate_allows_and_none_starves(targets, steps):
    entries = [place("", number) for number in range(targets)]
    pace, started, waiting = Pace(), [], list(entries)
    for step, (wish, once) in enumerate(steps):
        now = step * 0.1
        pace = pace.wished([entries[wish % targets]], now, 0.0)
        ready = [entry for entry in pace.in_order(waiting, now) if pace.due_at(entry, False) <= now]
        if ready and once:
            pace = pace.started(None, now, 2.0)
            started.append((now, None))
        elif ready:
            pace = pace.started(ready[0], now, 2.0)
            waiting.remove(ready[0])
            waiting.append(ready[0])
            started.append((now, ready[0]))
    assert all(later - earlier > 0.499 for (earlier, _), (later, _) in pairwise(started))
    turns = [entry for _, entry in started if entry is not None]
    for entry in entries:
        gaps = [len([*run]) for same, run in groupby(turns, key=lambda asked: asked == entry) if not same]
        assert all(gap <= 2 * targets for gap in gaps)


@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=300))
def test_refreshes_of_one_camera_are_no_faster_than_the_interval(targets, wishes):
    """However many targets it has, and however they are asked for."""
    entries = [place("", number) for number in range(targets)]
    pace, served = Pace().started(entries[0], 0.0, 0.001), []
    for step, wish in enumerate(wishes, 1):
        now = step * 0.05
        pace = pace.wished([entries[wish % targets]], now, 0.5)
        for entry in entries:
            if pace.due_at(entry, True) <= now:
                pace = pace.started(entry, now, 0.001)
                served.append(now)
    assert all(later - earlier > 0.499 for earlier, later in pairwise(served))
    assert len(served) >= (len(wishes) - 1) // 10
