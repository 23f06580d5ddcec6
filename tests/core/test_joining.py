"""Pictures and both arrays of their answers come together by stamp, whatever time does."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from egm_core.joining import AHEAD, ALONE, BACK, FOREIGN, HALVES, Feed, Join, Pairs


def message(stamp: float, data: bytes = b"") -> Any:
    seconds, rest = divmod(round(stamp * 1e9), 10**9)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=rest))
    return SimpleNamespace(header=header, data=data)


@pytest.mark.parametrize("first", ["visible", "amodal"])
def test_either_half_may_come_first(first: Any) -> None:
    pairs = Pairs()
    second: Any = "amodal" if first == "visible" else "visible"
    parts = {first: message(5.0), second: message(5.0)}
    assert pairs.add(first, parts[first], 0.0) is None
    assert pairs.add(second, message(5.1), 0.0) is None
    answer = pairs.add(second, parts[second], 0.1)
    assert answer is not None
    assert (answer.visible, answer.amodal) == (parts["visible"], parts["amodal"])


def test_a_half_that_stays_alone_is_dropped_and_told() -> None:
    pairs = Pairs(patience=1.0)
    pairs.visible(message(5.0), 0.0)
    assert pairs.amodal(message(6.0), 1.5) is None
    (dropped,) = pairs.dropped()
    assert str(dropped).startswith("visible boxes for stamp 5.000 are dropped: of the two arrays")
    assert pairs.amodal(message(5.8), 1.6) is None
    assert pairs.dropped() == []
    for number in range(HALVES + 3):
        pairs.amodal(message(10.0 + number), 1.7 + number / 1000)
    assert [dropped.stamp // 10**8 for dropped in pairs.dropped()] == [60, 58, 100, 110, 120]


def test_a_lap_s_first_boxes_on_one_topic_take_none_of_the_other_topic_s() -> None:
    """The amodal topic may be in the next lap already."""
    pairs = Pairs()
    pairs.visible(message(109.0), 0.0)
    for number in range(3):
        pairs.amodal(message(100.0 + number), 0.1)
    assert all(pairs.visible(message(100.0 + number), 0.2) is not None for number in range(3))


def test_halves_of_two_laps_never_pair() -> None:
    """The topics are two, so that the end of a lap may come on one after the beginning of the next on the other."""
    pairs = Pairs(patience=60.0)
    laps = [[message(100.0 + number) for number in range(10)] for lap in range(2)]
    amodal = [[message(100.0 + number) for number in range(10)] for lap in range(2)]
    for array in laps[0]:
        pairs.visible(array, 0.0)
    answers = [pairs.amodal(array, 0.0) for array in amodal[0][:8]]
    answers += [pairs.visible(laps[1][0], 0.0), pairs.amodal(amodal[0][9], 0.0)]
    answers += [pairs.amodal(array, 0.0) for array in amodal[1]]
    answers += [pairs.visible(array, 0.0) for array in laps[1][1:]]
    found = [answer for answer in answers if answer is not None]
    lap_of = {id(array): lap for kind in (laps, amodal) for lap in (0, 1) for array in kind[lap]}
    assert all(lap_of[id(answer.visible)] == lap_of[id(answer.amodal)] for answer in found)
    assert [lap_of[id(answer.visible)] for answer in found] == [0] * 8 + [1] * 10
    assert {dropped.stamp for dropped in pairs.dropped()} == {108 * 10**9, 109 * 10**9}


def test_halves_without_a_stamp_pair_in_the_order_in_which_they_come() -> None:
    pairs = Pairs()
    visible, amodal = [message(0.0) for _ in range(3)], [message(0.0) for _ in range(3)]
    assert [pairs.visible(array, 0.0) for array in visible[:2]] == [None, None]
    found = [pairs.amodal(array, 0.0) for array in amodal[:2]]
    found += [pairs.amodal(amodal[2], 0.0), pairs.visible(visible[2], 0.0)]
    assert [(one.visible, one.amodal) for one in found if one] == list(zip(visible, amodal, strict=True))


def answer(feed: Feed, stamp: float, now: float) -> bool:
    feed.add("visible", message(stamp), now)
    return feed.add("amodal", message(stamp), now) is not None


@pytest.mark.parametrize("length", [0.4, 1.0, 30.0])
def test_answers_go_on_in_every_lap_of_a_bag(length: float) -> None:
    join = Join(5.0)
    drawn, now = [], 0.0
    for _, number in itertools.product(range(3), range(20)):
        now += length / 20
        join.picture(message(100.0 + length * number / 20, b"x"), now)
        join.add("visible", message(100.0 + length * number / 20), now)
        drawn.append(join.amodal(message(100.0 + length * number / 20), now) is not None)
    assert all(drawn[:20])
    # In a lap shorter than the least jump it takes some pictures to be sure.
    assert sum(drawn[20:]) >= (40 if length > 0.5 else 30)
    assert join.timeline.era == 2


def test_an_answer_of_before_time_went_back_is_dropped_and_told() -> None:
    feed = Feed()
    for number in range(10):
        feed.see(message(100.0 + number), number)
    assert answer(feed, 105.0, 9.5)
    feed.add("visible", message(106.0), 9.5)
    feed.see(message(100.0), 10.0)
    assert feed.newest is None
    assert not answer(feed, 107.0, 10.1)
    assert feed.add("amodal", message(106.0), 10.1) is None
    assert answer(feed, 100.0, 10.2)
    feed.see(message(102.4), 12.4)
    assert feed.newest is not None
    assert feed.newest.stamp == 100 * 10**9
    whys = {(dropped.stamp // 10**9, dropped.kind): dropped.why for dropped in feed.dropped()}
    assert set(whys) == {(107, "visible"), (106, "visible"), (106, "amodal")}
    assert all("time went back" in why for why in whys.values())


def test_an_answer_may_be_well_ahead_of_its_picture_where_the_camera_is_slow() -> None:
    join = Join(5.0)
    join.picture(message(100.0), 0.0)
    assert not answer(join, 103.0, 3.0)
    own = join.picture(message(103.0), 3.1)
    assert own is not None
    assert own.stamp == 103 * 10**9
    assert not answer(join, 106.0, 6.0)
    # Its own was lost; a later one can show it nevertheless.
    assert join.picture(message(107.0), 7.1) is None
    assert join.newest is not None
    assert join.newest.stamp == 106 * 10**9
    assert join.dropped() == []


def test_an_answer_whose_picture_never_comes_is_told_why() -> None:
    feed = Feed()
    feed.see(message(100.0), 0.0)
    assert not answer(feed, 103.0, 0.1)
    assert not answer(feed, 104.0, 0.2)
    (first,) = feed.dropped()
    assert (first.stamp, first.why) == (103 * 10**9, AHEAD)
    feed.see(message(60.0), 0.3)
    (second,) = feed.dropped()
    assert (second.stamp, second.why) == (104 * 10**9, BACK)


def test_a_half_that_stays_alone_is_told_while_only_pictures_come() -> None:
    feed = Feed()
    feed.add("visible", message(100.0), 0.0)
    feed.see(message(100.0), 0.1)
    assert feed.dropped() == []
    feed.see(message(103.0), 3.0)
    (dropped,) = feed.dropped()
    assert dropped.why == ALONE


def test_boxes_with_a_stamp_are_of_no_picture_without_a_clock_and_that_is_told() -> None:
    feed = Feed()
    feed.see(message(0.0), 50.0)
    assert not answer(feed, 100.0, 50.1)
    assert feed.newest is None
    (dropped,) = feed.dropped()
    assert dropped.why == FOREIGN


def test_no_picture_of_before_time_went_back_is_kept() -> None:
    join = Join(5.0)
    for number in range(4):
        join.picture(message(100.0 + number), number)
    join.picture(message(100.0), 5.0)
    assert join.pictures.moments == (100 * 10**9,)


def test_an_answer_may_overtake_the_picture_with_which_time_goes_back() -> None:
    join = Join(5.0)
    join.picture(message(109.0), 1.0)
    assert answer(join, 109.0, 1.1)
    assert answer(join, 100.0, 1.2)
    own = join.picture(message(100.0), 1.3)
    assert own is not None
    assert own.stamp == 100 * 10**9


def test_an_older_answer_of_the_same_lap_takes_nothing_back_and_is_told() -> None:
    feed = Feed()
    feed.see(message(100.0), 0.0)
    assert answer(feed, 100.0, 0.1)
    assert not answer(feed, 99.8, 0.2)
    assert feed.newest is not None
    assert feed.newest.stamp == 100 * 10**9
    (dropped,) = feed.dropped()
    assert "later picture" in dropped.why


def test_pictures_without_a_clock_get_the_answer_that_comes_after_them() -> None:
    join = Join(5.0)
    pictures = [message(0.0, bytes([number])) for number in range(4)]
    for number, picture in enumerate(pictures):
        join.picture(picture, 10.0 + number)
        join.visible(message(0.0), 10.5 + number)
        assert join.amodal(message(0.0), 10.5 + number) is picture
    assert join.newest is not None
    assert join.newest.stamp == 13 * 10**9
