"""An answer with several objects of one target: their ids, their amodal boxes, the status and the service."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from robot import image_message
from scripted_engine import boxes_of

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED


def lefts(array) -> list[float]:
    """Give the left edge of each box."""
    return [one.bbox.center.position.x - one.bbox.size_x / 2 for one in array.detections]


@pytest.fixture(autouse=True)
def one_object_again(robot, engine):
    engine.script(several=3)
    yield
    assert robot.set(max_objects=1).successful


def test_every_object_has_an_id_of_its_own_that_both_boxes_share(robot, engine):
    assert robot.set(max_objects=0).successful
    robot.instruct("every mug")
    image = robot.show(image_message(200, 100))
    status = robot.status(image=image, outcome="found")
    visible, amodal = robot.only_answer(image)
    ids = [f"{status['seq']}:{place}" for place in range(3)]
    assert [one.id for one in visible.detections] == [one.id for one in amodal.detections] == ids
    assert lefts(visible) == lefts(amodal) == pytest.approx([box[0] / 5 for box in boxes_of(3)])
    assert {one.results[0].hypothesis.class_id for one in visible.detections} == {"every mug"}
    assert [one.bbox.size_y for one in amodal.detections] == pytest.approx([30.0] * 3)
    assert (status["objects"], status["left_out"], status["message"]) == ("3", "0", "found 3: every mug")
    assert json.loads(status["answered"]) == [int(status["seq"])]


def test_the_limit_holds_and_the_status_counts_the_rest(robot, engine):
    assert robot.set(max_objects=2).successful
    robot.instruct("the mug")
    image = robot.show()
    status = robot.status(image=image, outcome="found")
    assert [len(array.detections) for array in robot.only_answer(image)] == [2, 2]
    assert (status["objects"], status["left_out"]) == ("2", "1")
    assert "max_objects" in status["warnings"]


def test_one_object_is_asked_for_unless_the_parameter_says_otherwise(robot, engine):
    robot.instruct("every mug")
    image = robot.show()
    status = robot.status(image=image, outcome="found")
    assert [len(array.detections) for array in robot.only_answer(image)] == [1, 1]
    assert "several_wanted: every" in status["warnings"]
    assert robot.set(max_objects=-1).successful
    image = robot.show()
    assert robot.status(image=image, outcome="found")["objects"] == "3"


def test_none_is_absent(robot, engine):
    assert robot.set(max_objects=0).successful
    engine.script(mode="absent")
    robot.instruct("every mug")
    image = robot.show()
    assert robot.status(image=image, outcome="absent")["objects"] == "0"
    assert [len(array.detections) for array in robot.only_answer(image)] == [0, 0]


def test_a_limit_that_is_none_is_refused_by_name(robot):
    result = robot.set(max_objects=-2)
    assert not result.successful and "max_objects" in result.reason


def test_the_service_lists_every_object(robot):
    assert robot.set(max_objects=0).successful
    robot.instruct("every mug")
    image = robot.show(image_message(200, 100))
    robot.only_answer(image)
    succeeded, said = robot.ground_once()
    assert succeeded and [each["visible"][0] for each in said["objects"]] == pytest.approx([10.0, 40.0, 70.0])
    assert said["visible"] == said["objects"][0]["visible"] and all(each["amodal"] for each in said["objects"])
