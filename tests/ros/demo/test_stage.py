"""What the demonstration shows first, and how it words what came of it."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

from egm_ros.demo.stage import kept_clips, well_seen_first, worded

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
