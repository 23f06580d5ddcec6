"""What the demonstration shows first, and how it words what came of it."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

from egm_ros.demo.couples import couples
from egm_ros.demo.robot import Row
from egm_ros.demo.stage import answer_at, kept_clips, well_seen_first, worded

pytestmark = pytest.mark.ros

LARGE, SMALL = (100.0, 50.0, 150.0, 100.0), (10.0, 10.0, 30.0, 60.0)
HALF = (100.0, 50.0, 120.0, 100.0)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("0.83 / 0.41", "right, IoU 0.83 / 0.41"),
        ("0.31 / 0.90", "wrong, IoU 0.31 / 0.90"),
        ("0.50 / -", "right, IoU 0.50 / -"),
        ("right", "right"),
        ("wrong", "wrong"),
        ("withheld", "withheld"),
        ("", ""),
    ],
)
def test_a_verdict_is_a_word_with_its_numbers(verdict: str, words: str) -> None:
    assert worded(verdict) == words


def test_what_is_seen_well_comes_first_then_what_is_absent_then_the_rest() -> None:
    frames = [{0: (SMALL, SMALL), 1: (HALF if number < 5 else LARGE, LARGE), 2: (LARGE, LARGE)} for number in range(20)]
    asked = {"small": 0, "hidden at first": 1, "absent": None, "well seen": 2, "gone": 3}
    assert list(well_seen_first(asked, frames, 10.0)) == ["well seen", "absent", "small", "hidden at first", "gone"]


def test_each_clip_that_comes_along_begins_with_an_object_that_is_seen_well() -> None:
    for shown in kept_clips(["tabletop", "street"]):
        first, *_ = shown.instructions.values()
        assert first is not None
        boxes = [frame[first][1] for frame in shown.truth.values()]
        assert min(min(box[2] - box[0], box[3] - box[1]) for box in boxes) >= 36
        assert None in shown.instructions.values()


def test_what_covers_each_other_is_asked_together_and_the_same_object_never() -> None:
    frames = [{0: (LARGE, LARGE), 1: (SMALL, SMALL), 2: (HALF, HALF)}] * 3
    asked = {"large": 0, "large too": 0, "small": 1, "absent": None, "half": 2}
    assert couples(asked, frames) == [("large", "half"), ("large too", "small"), ("large too", "absent")]
    assert couples({"alone": 0}, frames) == [("alone",)]
    assert couples({"one": 0, "the same": 0, "other": 1}, frames)[0] == ("one", "other")
    assert couples({}, frames) == []


def test_each_clip_begins_with_two_of_which_one_hides_the_other_partly() -> None:
    for shown in kept_clips(["tabletop", "street"]):
        one, other = (shown.instructions[text] for text in shown.couples(100)[0])
        assert one is not None and other is not None
        hidden = []
        for boxes in shown.truth.values():
            (seen, whole), (_, across) = sorted((boxes[one], boxes[other]), key=lambda pair: pair[0] == pair[1])
            meets = whole[0] < across[2] and across[0] < whole[2] and whole[1] < across[3] and across[1] < whole[3]
            hidden.append(meets and seen != whole)
        assert sum(hidden) > len(hidden) / 2


def test_an_answer_counts_for_a_picture_once_it_has_come() -> None:
    def row(stamp: int, came: float) -> Row:
        return Row(stamp, "1:0", "the mug", "found", "", None, None, "", 0.0, "", came)

    rows = [row(10, 1.0), row(20, 2.0), row(30, 3.0)]
    assert answer_at(rows, 40, 2.5) is rows[1]
    assert answer_at(rows, 15, 9.0) is rows[0]
    assert answer_at(rows, 40, 0.5) is None
