"""The join of boxes, depth and camera info: any order, nothing lost, nothing kept for ever."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from egm_core.lifting import Matching
from egm_core.lifting.matching import ANSWERS, INFOS, Slot
from egm_core.streams.timeline import STILL

SLOTS: tuple[Slot, ...] = get_args(Slot)


def message(stamp: float, boxes: int = 1, size: int = 100) -> Any:
    seconds, rest = divmod(round(stamp * 1e9), 10**9)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=rest))
    return SimpleNamespace(header=header, detections=[None] * boxes, data=b"\0" * size)


@pytest.mark.parametrize("order", list(itertools.permutations(SLOTS)))
def test_any_order_makes_one_match(order: tuple[Any, ...]) -> None:
    matching = Matching(10.0, 1.0)
    parts = {slot: message(5.0) for slot in SLOTS}
    found = [matching.add(slot, parts[slot], 0.0) for slot in order]
    assert found[:3] == [None] * 3
    match = found[3]
    assert match is not None
    for slot in SLOTS:
        assert getattr(match, slot) is parts[slot]
    assert matching.late(99.0) == []


def test_only_the_very_stamp_matches_and_what_is_late_says_what_it_lacks() -> None:
    matching = Matching(10.0, 1.0)
    matching.add("depth", message(5.012), 0.0)
    matching.add("camera_info", message(5.0), 0.0)
    matching.add("visible", message(5.0), 0.0)
    assert matching.add("amodal", message(5.0), 0.0) is None
    assert matching.late(1.0) == []
    (missing,) = matching.late(1.1)
    assert missing.lacks == ("depth",)
    assert missing.gone
    assert missing.nearest == pytest.approx(0.012)
    assert matching.late(9.0) == []
    matching.add("visible", message(7.0), 9.0)
    matching.add("depth", message(7.0), 9.0)
    (missing,) = matching.late(11.0)
    assert missing.lacks == ("amodal", "camera_info")
    assert not missing.gone
    assert missing.nearest == pytest.approx(2.0)


def test_an_answer_without_boxes_waits_for_no_depth() -> None:
    matching = Matching(10.0, 1.0)
    matching.add("visible", message(5.0, boxes=0), 0.0)
    match = matching.add("amodal", message(5.0, boxes=0), 0.0)
    assert match is not None
    assert match.depth is None


def test_two_answers_to_one_picture_and_several_that_wait() -> None:
    matching = Matching(10.0, 1.0)
    for stamp in (1.0, 1.1, 1.2):
        for slot in SLOTS[:2]:
            assert matching.add(slot, message(stamp), 0.0) is None
    for stamp in (1.2, 1.0, 1.1):
        matching.add("camera_info", message(stamp), 0.0)
        match = matching.add("depth", message(stamp), 0.0)
        assert match is not None
    matching.add("visible", message(1.1), 0.0)
    assert matching.add("amodal", message(1.1), 0.0) is not None
    assert matching.dropped() == []


def test_an_answer_that_waits_is_told_when_another_of_its_stamp_takes_its_place() -> None:
    matching = Matching(10.0, 1.0)
    first, second = message(1.0), message(1.0)
    for array in (first, second):
        matching.add("visible", array, 0.0)
        matching.add("amodal", message(1.0), 0.0)
    (dropped,) = matching.dropped()
    assert dropped.array is first
    assert "the same stamp" in dropped.why
    matching.add("camera_info", message(1.0), 0.1)
    match = matching.add("depth", message(1.0), 0.1)
    assert match is not None
    assert match.visible is second


def test_memory_is_bounded_in_time_bytes_and_number() -> None:
    matching = Matching(1.0, 1.0, limit=1000)
    for number in range(100):
        matching.add("depth", message(number * 0.2), 0.0)
    assert matching.depths.bytes == 600
    matching.add("depth", message(20.0, size=5000), 0.0)
    assert matching.depths.bytes == 5000
    matching.add("depth", message(20.0, size=400), 0.0)
    matching.add("depth", message(20.1, size=400), 0.0)
    assert matching.depths.bytes == 800
    for number in range(2 * INFOS):
        matching.add("visible", message(30 + number), 0.0)
        matching.add("amodal", message(30 + number), 0.0)
        matching.add("camera_info", message(40 + number), 0.0)
    assert len(matching._infos) == INFOS
    assert len(matching._answers) == ANSWERS
    assert len(matching.dropped()) == 2 * INFOS - ANSWERS
    assert len(matching.late(99.0)) == ANSWERS


def test_where_time_goes_back_what_was_before_is_dropped_and_named() -> None:
    """A lap of a bag repeats its stamps; what came right ahead of the first depth may belong to the new lap."""
    matching = Matching(10.0, 5.0)
    for number in range(10):
        matching.add("camera_info", message(100 + number), number)
        matching.add("depth", message(100 + number), number)
    matching.add("visible", message(101.5), 9.0)
    matching.add("amodal", message(101.5), 9.0)
    matching.add("visible", message(101.4), 8.5)
    matching.add("amodal", message(101.4), 8.5)
    matching.add("visible", message(108.5), 9.1)
    matching.add("amodal", message(108.5), 9.1)
    matching.add("visible", message(108.7), 9.2)
    matching.add("visible", message(101.2), 9.2)
    matching.add("camera_info", message(101.2), 9.3)
    assert matching.add("depth", message(101.2, size=7), 9.4) is None
    assert matching.seen is not None
    assert matching.seen.back == pytest.approx(7.8)
    assert matching.depths.bytes == 7
    assert matching.add("amodal", message(101.2), 9.5) is not None
    assert [answer.stamp for answer in matching.dropped()] == [101_400_000_000, 108_500_000_000]
    assert matching.late(9.6) == []
    (half,) = matching.dropped()
    assert (half.stamp, half.kind) == (108_700_000_000, "visible")
    assert "time went back" in str(half)
    (late,) = matching.late(15.0)
    assert late.stamp == 101_500_000_000


def test_depth_without_a_clock_goes_to_the_answer_that_comes_and_a_lone_camera_info_to_all() -> None:
    matching = Matching(10.0, 1.0)
    depths = [message(0.0, size=size) for size in (1, 2, 3)]
    matching.add("camera_info", message(0.0), 4.0)
    for number, depth in enumerate(depths):
        matching.add("depth", depth, 5.0 + number)
    assert matching.depths.bytes == 6
    matching.add("visible", message(0.0), 8.0)
    match = matching.add("amodal", message(0.0), 8.0)
    assert match is not None
    assert match.depth is depths[2]
    matching.add("visible", message(1700.0), 9.0)
    matching.add("amodal", message(1700.0), 9.0)
    (missing,) = matching.late(11.0)
    assert missing.clockless
    stamped = Matching(10.0, 1.0)
    info = message(0.0)
    stamped.add("camera_info", info, 1.0)
    stamped.add("depth", message(1700.0), 1.0)
    stamped.add("visible", message(1700.0), 1.0)
    match = stamped.add("amodal", message(1700.0), 1.0)
    assert match is not None
    assert match.camera_info is info
    for number in range(STILL):
        stamped.add("camera_info", message(7.0), 2.0 + number)
    stamped.add("depth", message(1701.0), 9.0)
    stamped.add("visible", message(1701.0), 9.0)
    assert stamped.add("amodal", message(1701.0), 9.0) is not None


def test_a_half_alone_is_told_whichever_it_is() -> None:
    matching = Matching(10.0, 1.0)
    for kind in ("visible", "amodal"):
        stamp = 5.0 if kind == "visible" else 6.0
        matching.add("depth", message(stamp), 0.0)
        matching.add("camera_info", message(stamp), 0.0)
        matching.add(kind, message(stamp), 0.0)
    assert [missing.lacks for missing in matching.late(2.0)] == [("amodal",), ("visible",)]


def answered(matching: Matching, stamp: float, now: float = 0.0) -> None:
    """Let an answer and its camera info come."""
    matching.add("camera_info", message(stamp), now)
    matching.add("visible", message(stamp), now)
    assert matching.add("amodal", message(stamp), now) is None


def test_the_nearest_depth_within_slop_is_taken_once_nothing_nearer_can_come() -> None:
    matching = Matching(10.0, 1.0, slop=0.017)
    before, after = message(4.985), message(5.006)
    matching.add("depth", before, 0.0)
    answered(matching, 5.0)
    assert matching.settled(0.1) == [], "depth nearer to it may come yet"
    matching.add("depth", after, 0.2)
    (match,) = matching.settled(0.2)
    assert match.depth is after and match.offset == pytest.approx(0.006)
    assert matching.settled(9.0) == [] and matching.late(9.0) == []


def test_depth_of_before_is_taken_at_the_end_of_the_patience_and_none_beyond_slop() -> None:
    matching = Matching(10.0, 1.0, slop=0.017)
    before = message(4.985)
    matching.add("depth", before, 0.0)
    answered(matching, 5.0)
    answered(matching, 5.1)
    (match,) = matching.settled(1.1)
    assert match.depth is before and match.offset == pytest.approx(-0.015)
    (missing,) = matching.late(1.1)
    assert missing.lacks == ("depth",) and missing.nearest == pytest.approx(0.115)


def test_a_camera_info_within_slop_is_taken_too() -> None:
    matching = Matching(10.0, 1.0, slop=0.017)
    info = message(4.99)
    matching.add("camera_info", info, 0.0)
    for slot in ("depth", "visible", "amodal"):
        assert matching.add(slot, message(5.0), 0.0) is None
    (match,) = matching.settled(0.0)
    assert match.camera_info is info and match.offset == 0.0


def test_the_very_stamp_goes_before_what_is_near_and_without_slop_nothing_else_does() -> None:
    for slop, expected in ((0.0, 0), (0.02, 1)):
        matching = Matching(10.0, 1.0, slop=slop)
        exact = message(5.0)
        for stamp in (4.99, 5.01):
            matching.add("depth", message(stamp), 0.0)
        answered(matching, 5.0)
        match = matching.add("depth", exact, 0.0)
        assert match is not None and match.depth is exact
        answered(matching, 4.995)
        assert len(matching.settled(9.0)) == expected


def test_answers_about_two_targets_in_one_picture_both_wait_for_its_depth() -> None:
    matching = Matching(10.0, 1.0)
    arrays = {}
    for identity in ("1:0", "2:0"):
        array = message(1.0)
        array.detections = [SimpleNamespace(id=identity)]
        arrays[identity] = array
        matching.add("visible", array, 0.0)
        matching.add("amodal", array, 0.0)
    matching.add("camera_info", message(1.0), 0.1)
    first = matching.add("depth", message(1.0), 0.1)
    second = matching.another()
    assert first is not None
    assert second is not None
    assert [first.visible, second.visible] == list(arrays.values())
    assert matching.another() is None
    assert not matching.dropped()
