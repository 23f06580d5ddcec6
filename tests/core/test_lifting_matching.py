"""The join of boxes, depth and camera info: any order, nothing lost, nothing kept for ever."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from egm_core.lifting import Matching
from egm_core.lifting.matching import ANSWERS, INFOS, SLOTS


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


def test_memory_is_bounded_in_time_bytes_and_number() -> None:
    matching = Matching(1.0, 1.0, limit=1000)
    for number in range(100):
        matching.add("depth", message(number * 0.2), 0.0)
    assert matching.bytes == 600
    matching.add("depth", message(20.0, size=5000), 0.0)
    assert matching.bytes == 5000
    matching.add("depth", message(20.0, size=400), 0.0)
    matching.add("depth", message(20.1, size=400), 0.0)
    assert matching.bytes == 800
    assert not matching.went_back(message(19.8))
    assert matching.went_back(message(3.0))
    for number in range(2 * INFOS):
        matching.add("visible", message(number), 0.0)
        matching.add("camera_info", message(number), 0.0)
    assert len(matching._infos) == INFOS
    assert len(matching._answers) == ANSWERS
    matching.clear()
    assert matching.bytes == len(matching.late(99.0)) == 0
