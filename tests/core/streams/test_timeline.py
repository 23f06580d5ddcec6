"""What a camera's stamps tell: jumps back, order, and clocks that are none."""

from __future__ import annotations

import pytest

from egm_core.streams.timeline import OLDER, STILL, Timeline, age_of

SECOND = 10**9


def feed(timeline: Timeline, stamps: list[float], now: float = 50.0, step: float = 0.1) -> list[bool]:
    """Give whether a new era began with each picture."""
    return [timeline.see(round(stamp * SECOND), now + step * number).anew for number, stamp in enumerate(stamps)]


def test_time_that_goes_on_and_a_picture_out_of_order_begin_nothing() -> None:
    timeline = Timeline()
    assert not any(feed(timeline, [100.0, 100.1, 99.9, 100.2, 100.0, 160.0]))
    assert timeline.newest == 160 * SECOND
    assert timeline.era == 0


@pytest.mark.parametrize("length", [0.2, 0.5, 2.0, 300.0])
def test_a_bag_that_loops_begins_anew_once_a_lap_however_short_it_is(length: float) -> None:
    timeline = Timeline()
    lap = [100.0 + length * number / 20 for number in range(20)]
    begun = feed(timeline, lap * 4)
    assert sum(begun) == timeline.era == 3
    assert timeline.see(round(99.0 * SECOND), 90.0).back > 0.5


def test_time_goes_back_at_once_only_where_it_is_more_than_disorder() -> None:
    assert feed(Timeline(), [100.0, 99.6]) == [False, False]
    assert feed(Timeline(), [100.0, 99.4]) == [False, True]


def test_disorder_after_a_jump_is_no_second_one() -> None:
    timeline = Timeline()
    older = [100.4 - 0.02 * number for number in range(OLDER)]
    assert feed(timeline, [100.5, *older])[-1]
    assert not timeline.see(round((older[-1] - 0.01) * SECOND), 51.0).anew


def test_what_an_answer_is_for() -> None:
    timeline = Timeline()
    assert timeline.answer(7 * SECOND) == 7 * SECOND
    feed(timeline, [100.0, 101.0])
    assert timeline.answer(95 * SECOND) == 95 * SECOND
    assert timeline.answer(round(101.3 * SECOND)) == round(101.3 * SECOND)
    assert timeline.answer(102 * SECOND) is None
    assert timeline.answer(0) == 101 * SECOND


def test_stamps_of_zero_are_moments_of_arrival() -> None:
    timeline = Timeline()
    assert not any(feed(timeline, [0.0] * 4, now=50.0, step=1.0))
    assert timeline.newest == 53 * SECOND
    assert timeline.clockless == 4
    assert not timeline.standing
    assert timeline.answer(0) == 53 * SECOND
    assert timeline.answer(5 * SECOND) is None
    # Such an answer waits for no picture: no stamp of any will reach it.
    assert not timeline.ahead(100 * SECOND)


def test_a_clock_that_comes_and_goes_begins_anew_and_time_back_across_that_is_noticed() -> None:
    timeline = Timeline()
    assert feed(timeline, [0.0, 100.0, 101.0, 0.0, 3.0]) == [False, True, False, True, True]
    seen = timeline.see(4 * SECOND, 60.0)
    assert not seen.anew
    other = Timeline()
    other.see(100 * SECOND, 50.0)
    assert other.see(0, 50.1).back == 0.0
    assert other.see(3 * SECOND, 50.2).back == pytest.approx(97.0)
    other.see(0, 50.3)
    assert other.see(9 * SECOND, 50.4).back == 0.0


def test_a_clock_that_stands_still_is_none() -> None:
    timeline = Timeline()
    feed(timeline, [7.0] * (STILL + 20), step=0.1)
    assert timeline.standing
    assert timeline.answer(7 * SECOND) == timeline.newest
    assert timeline.newest is not None
    assert timeline.newest > 50 * SECOND
    repeated = Timeline()
    assert not any(feed(repeated, [100.0 + number // 4 for number in range(60)]))
    assert OLDER > 2


def test_a_burst_or_a_few_slow_pictures_with_one_stamp_are_no_clock_that_stands() -> None:
    for number, step in ((STILL + 3, 0.1), (STILL - 1, 2.0)):
        timeline = Timeline()
        feed(timeline, [7.0] * number, step=step)
        assert timeline.newest == 7 * SECOND
        assert not timeline.standing


NOW = 1_790_000_000 * SECOND


@pytest.mark.parametrize(
    ("stamp", "clock", "age", "doubt"),
    [
        (NOW - 2 * SECOND, NOW, 2.0, ""),
        (NOW + SECOND // 2, NOW, -0.5, ""),
        (NOW - 10**9 * SECOND // 2, NOW, 5e8, ""),
        (12 * SECOND, 14 * SECOND, 2.0, ""),
        (0, NOW, 0.25, "no_stamp"),
        (0, 14 * SECOND, 0.25, "no_stamp"),
        (4000 * SECOND, NOW, 0.25, "uptime"),
        (NOW, 0, 0.25, "no_clock"),
        (NOW, 14 * SECOND, 0.25, "wall_time"),
        (NOW + 3600 * SECOND, NOW, 0.25, "ahead"),
    ],
)
def test_an_age_is_by_the_stamp_where_that_is_of_the_reader_s_clock(
    stamp: int, clock: int, age: float, doubt: str
) -> None:
    assert age_of(stamp, clock, 0.25) == (pytest.approx(age), doubt)
