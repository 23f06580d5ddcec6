"""Pictures and both arrays of their answers come together by stamp, whatever time does."""

from __future__ import annotations

import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from egm_core.streams.joining import AHEAD, ALONE, BACK, FOREIGN, HALVES, Feed, Join, Pairs


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


def array_of(number: int, kind: str, found: str, stamp: float = 0.0) -> Any:
    """An array as the nodes publish it: ids are of one answer, or of one object under way, or there are no boxes."""
    identity = {"answer": f"{number}:0", "object": "3:0", "absent": "", "visible only": f"{number}:0"}[found]
    empty = found == "absent" or (found, kind) == ("visible only", "amodal")
    made = message(stamp)
    made.kind, made.number = kind, number
    made.detections = [] if empty else [SimpleNamespace(id=identity)]
    return made


FOUND = ("answer", "object", "absent", "visible only")
STAMPS = pytest.mark.parametrize("stamp", [0.0, 77.5], ids=["no clock", "a clock that stands"])


def joined(pairs: Pairs, arrays: list[Any], period: float = 0.5, gap: float = 0.001) -> list[tuple[int, int]]:
    """Take in arrays as they come, those of an answer a gap apart, and give the numbers of those that were paired."""
    found, places = [], Counter[int]()
    for array in arrays:
        found.append(pairs.add(array.kind, array, array.number * period + gap * places[array.number]))
        places[array.number] += 1
    return [(one.visible.number, one.amodal.number) for one in found if one is not None]


def told_of(pairs: Pairs) -> list[tuple[int, str]]:
    dropped = pairs.dropped()
    assert all(entry.why == ALONE for entry in dropped)
    return [(entry.array.number, entry.kind) for entry in dropped]


ORDERS = pytest.mark.parametrize("order", [("visible", "amodal"), ("amodal", "visible")], ids=["in order", "swapped"])


# That a clock stands, and that ids are of one object under way, shows only once a stamp or an id has come again.
@pytest.mark.parametrize(
    ("stamp", "which", "found"),
    [
        *((stamp, 3, found) for stamp in (0.0, 77.5) for found in FOUND),
        *((0.0, 0, found) for found in FOUND if found != "object"),
    ],
)
@ORDERS
@pytest.mark.parametrize("lost", ["visible", "amodal"])
def test_a_lost_half_without_a_clock_costs_its_own_answer_alone(
    stamp: float, which: int, found: str, order: tuple[str, str], lost: str
) -> None:
    arrays = [array_of(number, kind, found, stamp) for number in range(7) for kind in order]
    pairs = Pairs()
    whole = joined(pairs, [array for array in arrays if (array.number, array.kind) != (which, lost)])
    assert whole == [(number, number) for number in range(7) if number != which]
    assert told_of(pairs) == [(which, "amodal" if lost == "visible" else "visible")]


@STAMPS
@ORDERS
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("twice", ["visible", "amodal"])
def test_a_half_that_comes_twice_is_dropped_once(stamp: float, order: tuple[str, str], found: str, twice: str) -> None:
    arrays = [array_of(number, kind, found, stamp) for number in range(5) for kind in order]
    place = next(place for place, array in enumerate(arrays) if (array.number, array.kind) == (2, twice))
    pairs = Pairs()
    assert joined(pairs, [*arrays[:place], arrays[place], *arrays[place:]]) == [(number, number) for number in range(5)]
    assert told_of(pairs) == [(2, twice)]


@pytest.mark.parametrize("found", FOUND)
def test_the_order_of_the_topics_may_change_with_every_answer(found: str) -> None:
    arrays = [
        array_of(number, kind, found)
        for number in range(6)
        for kind in sorted(("visible", "amodal"), reverse=number % 2 == 0)
    ]
    pairs = Pairs()
    assert joined(pairs, arrays) == [(number, number) for number in range(6)]
    assert told_of(pairs) == []


@pytest.mark.parametrize("lost", ["visible", "amodal"])
def test_where_answers_come_faster_than_their_halves_can_be_told_apart_ids_still_do(lost: str) -> None:
    arrays = [array_of(number, kind, "answer") for number in range(5) for kind in ("visible", "amodal")]
    pairs = Pairs()
    whole = joined(pairs, [array for array in arrays if (array.number, array.kind) != (2, lost)], period=0.002)
    assert whole == [(0, 0), (1, 1), (3, 3), (4, 4)]
    assert told_of(pairs) == [(2, "amodal" if lost == "visible" else "visible")]


def test_of_several_halves_that_came_at_once_the_newest_counts() -> None:
    arrays = [array_of(number, kind, "object") for number in range(5) for kind in ("visible", "amodal")]
    pairs = Pairs()
    whole = joined(pairs, [array for array in arrays if (array.number, array.kind) != (2, "amodal")], period=0.01)
    assert whole == [(0, 0), (1, 1), (3, 3), (4, 4)]
    assert told_of(pairs) == [(2, "visible")]


@pytest.mark.parametrize(
    ("found", "period", "gap"),
    [
        ("absent", 0.002, 0.001),
        ("absent", 0.5, 0.15),
        ("object", 0.5, 0.15),
        ("answer", 0.5, 0.4),
    ],
    ids=["many at once", "a slow machine", "a slow machine, one object", "a slow machine, ids"],
)
def test_a_burst_and_a_slow_machine_cost_nothing(found: str, period: float, gap: float) -> None:
    pairs = Pairs()
    pairs.visible(message(5.0), -0.001)
    pairs.amodal(message(5.0), -0.001)
    arrays = [array_of(number, kind, found) for number in range(5) for kind in ("visible", "amodal")]
    assert joined(pairs, arrays, period, gap) == [(number, number) for number in range(5)]
    assert told_of(pairs) == []


def test_what_came_before_its_answer_s_halves_on_either_topic_is_lost() -> None:
    pairs = Pairs()
    arrays = [array_of(1, "visible", "answer"), array_of(0, "amodal", "answer"), array_of(1, "amodal", "answer")]
    assert joined(pairs, arrays, period=0.0) == [(1, 1)]
    assert told_of(pairs) == [(0, "amodal")]


@STAMPS
def test_ids_tell_which_halves_belong_together_however_far_the_topics_are_apart(stamp: float) -> None:
    pairs = Pairs()
    visible, amodal = (
        [array_of(number, kind, "answer", stamp) for number in range(4)] for kind in ("visible", "amodal")
    )
    found = joined(pairs, [*visible[:2], *amodal[:2], *amodal[2:], *visible[2:]], period=0.0)
    assert found == [(number, number) for number in range(4)]
    assert told_of(pairs) == []


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


def test_two_answers_without_amodal_boxes_for_one_picture_are_told_apart() -> None:
    """As of two targets that are asked about together, where both visible arrays come first."""
    pairs = Pairs()
    visible = [array_of(number, "visible", "visible only", 5.0) for number in (1, 2)]
    amodal = [array_of(number, "amodal", "visible only", 5.0) for number in (1, 2)]
    for number, array in enumerate(visible):
        assert pairs.visible(array, 1.0 + 0.001 * number) is None
    answers = [pairs.amodal(array, 1.01 + 0.001 * number) for number, array in enumerate(amodal)]
    assert [answer.visible for answer in answers if answer is not None] == visible
    assert not pairs.dropped()
