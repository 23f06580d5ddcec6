"""Parameters of the grounding node that change while it runs, and those that are refused."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from one_camera import corners, expected
from robot import image_message

from egm_ros.common import messages

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"max_rate": 99.0}, ["max_rate", "99", "30"]),
        ({"max_rate": -1.0}, ["max_rate", "-1", "0"]),
        ({"min_score": 1.5}, ["min_score", "1.5", "1.0"]),
        ({"min_score": float("nan")}, ["min_score", "nan"]),
        ({"query_timeout": 0.0}, ["query_timeout", "0.05"]),
        ({"max_result_age": 1e9}, ["max_result_age", "3600"]),
        ({"max_pixels": -1}, ["max_pixels", "-1"]),
        ({"max_pixels": 0.5}, ["type"]),
        ({"reasoning": "yes"}, ["type"]),
        ({"model": "another"}, ["model", "read-only"]),
        ({"engine_url": "http://elsewhere"}, ["engine_url", "read-only"]),
    ],
)
def test_a_bad_parameter_is_refused_with_the_reason(robot, change, parts):
    result = robot.set(**change)
    assert not result.successful
    for part in parts:
        assert part in result.reason


def test_of_two_parameters_one_bad_neither_is_set(robot):
    assert not robot.set(min_score=0.99, max_rate=99.0).successful
    robot.instruct("the mug")
    robot.show()
    robot.status(outcome="found")


def test_the_rate_changes_while_the_node_runs(robot):
    robot.instruct("the mug")
    robot.set(max_rate=1)  # a whole number will do
    with robot.stream(60.0):
        robot.status(outcome="found")
        begun = time.time_ns()
        assert 1 <= robot.published(begun, begun + 1_500_000_000) <= 3
        robot.set(max_rate=0.0)
        robot.forget()
        robot.answers(10, 10.0)


def test_pixels_reasoning_and_amodal_change_while_the_node_runs(robot, engine):
    robot.instruct("the mug")
    shown = robot.show(image_message(320, 240))
    robot.status(outcome="found", stamp=messages.stamp_text(shown.header))
    before = engine.stats()
    assert (before["width"], before["height"], before["grammar"]) == (320, 240, False)
    assert before["format"] == "data:image/jpeg"
    robot.forget()
    assert robot.set(max_pixels=160 * 128, reasoning=False, force_amodal=False).successful
    shown = robot.show(image_message(320, 240))
    robot.status(outcome="found", stamp=messages.stamp_text(shown.header))
    after = engine.stats()
    assert 0.6 * 160 * 128 < after["width"] * after["height"] <= 160 * 128
    assert after["grammar"]
    assert after["asked"] == before["asked"] + 1
    visible, amodal = robot.only_answer(shown)
    assert corners(visible) == pytest.approx(expected("the mug", 320, 240), abs=0.01)
    assert not amodal.detections
