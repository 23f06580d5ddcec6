"""What the grounding node publishes and when it is silent: node and engine in processes of their own."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from one_camera import corners, expected
from processes import wait_for
from robot import image_message

from egm_ros.interface.grounding import STATUS_KEYS

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED


def test_found_publishes_both_boxes_of_the_source_image(robot):
    robot.instruct("the Red mug")
    image = robot.show(image_message(200, 100, frame="front_optical"))
    status = robot.status(image=image, outcome="found")
    visible, amodal = robot.only_answer(image)
    assert corners(visible) == pytest.approx(expected("the Red mug", 200, 100), abs=0.01)
    assert corners(amodal) == pytest.approx(expected("the Red mug", 200, 100, True), abs=0.01)
    for array in (visible, amodal):
        assert array.header == array.detections[0].header == image.header
        assert array.detections[0].id == f"{status['seq']}:0"
        hypothesis = array.detections[0].results[0].hypothesis
        assert hypothesis.class_id == "the Red mug"
        assert hypothesis.score == pytest.approx(np.exp(-0.1), abs=1e-6)
    assert list(status)[2:8] == ["seq", "stamp", "outcome", "reason", "engine_ms", "total_ms"]
    assert set(status) - {"level", "message"} == set(STATUS_KEYS)
    assert (status["level"], status["engine"], status["restarts"]) == (0, "ready", "0")
    assert status["stamp"] == f"{image.header.stamp.sec}.{image.header.stamp.nanosec:09d}"
    assert 0.0 < float(status["engine_ms"]) <= float(status["total_ms"]) < 10_000.0
    assert status["reasoning"] == "It is there."
    assert robot.serves("the Red mug")


def test_absent_publishes_empty_arrays(robot, engine):
    engine.script(mode="absent")
    robot.instruct("the mug")
    image = robot.show()
    assert robot.status(image=image, outcome="absent")["level"] == 0
    for array in robot.only_answer(image):
        assert (array.header, list(array.detections)) == (image.header, [])


@pytest.mark.parametrize("mode", ["garbage", "degenerate", "error500", "cut"])
def test_an_error_is_told_on_the_status_alone(robot, engine, mode):
    engine.script(mode=mode)
    robot.instruct("the mug")
    status = robot.status(image=robot.show(), outcome="error")
    assert status["level"] == 2
    assert status["reason"]
    engine.script(mode="found")
    for array in robot.only_answer(robot.show()):
        assert len(array.detections) == 1


def test_the_visible_answer_decides_and_a_missing_amodal_one_is_told(robot, engine):
    engine.script(mode="disagrees")
    robot.instruct("the mug")
    image = robot.show()
    assert "amodal_disagrees" in robot.status(image=image, outcome="found")["repairs"]
    assert [len(array.detections) for array in robot.only_answer(image)] == [1, 0]


def test_an_amodal_box_is_never_smaller_than_the_visible_one(robot, engine):
    engine.script(mode="small_amodal")
    robot.instruct("the mug")
    image = robot.show(image_message(200, 100))
    assert "amodal_union" in robot.status(image=image, outcome="found")["repairs"]
    visible, amodal = robot.only_answer(image)
    assert corners(amodal)[0] == pytest.approx(corners(visible)[0])


def test_scores_that_the_engine_does_not_give_are_marked_and_exempt(robot, engine):
    engine.script(logprob=None)
    robot.set(min_score=0.9)
    robot.instruct("the mug")
    image = robot.show()
    assert robot.status(image=image, outcome="found")["score"] == "unavailable"
    visible, _ = robot.only_answer(image)
    assert visible.detections[0].results[0].hypothesis.score == 0.0


def test_low_scores_are_held_back(robot, engine):
    engine.script(logprob=-2.0)
    robot.set(min_score=0.5)
    robot.instruct("the mug")
    image = robot.show()
    status = robot.status(image=image, outcome="absent", reason="low_score")
    assert status["level"] == 1
    assert "raw scores" in status["message"]
    for array in robot.only_answer(image):
        assert not array.detections


def test_an_answer_after_the_timeout_is_stale_and_aborted(robot, engine):
    engine.script(mode="silent")
    before = engine.stats()["aborted"]
    robot.set(query_timeout=0.3)
    robot.instruct("the mug")
    robot.show()
    status = robot.status(outcome="stale")
    assert (status["reason"], status["level"]) == ("query_timeout", 3)
    wait_for("the abort", lambda: engine.stats()["aborted"] >= before + 2)
    engine.script(mode="found")
    robot.set(query_timeout=5.0)
    robot.only_answer(robot.show())


def test_an_old_image_is_stale_without_a_query(robot, engine):
    before = engine.stats()["asked"]
    robot.instruct("the mug")
    robot.show(image_message(stamp=time.time() - 60.0))
    assert robot.status(outcome="stale")["reason"] == "max_result_age"
    robot.show(image_message(stamp=1e9))
    wait_for("the hint", lambda: "use_sim_time" in robot.values()[-1]["message"])
    assert engine.stats()["asked"] == before
    robot.show(image_message(stamp=0.0))
    robot.status(outcome="found")


def test_an_image_that_ages_during_the_query_is_stale(robot, engine):
    engine.script(delay=0.6)
    robot.set(max_result_age=0.5)
    robot.instruct("the mug")
    robot.show()
    assert robot.status(outcome="stale")["reason"] == "max_result_age"
    wait_for("a rest of the engine", lambda: engine.stats()["running"] == 0)
    engine.script(delay=0.0)
    robot.set(max_result_age=10.0)
    robot.only_answer(robot.show())


def test_a_fast_camera_before_a_slow_engine_has_its_newest_image_answered(robot, engine):
    def found():
        return [values for values in robot.values() if values["outcome"] == "found"]

    engine.script(delay=0.4)
    robot.instruct("the mug")
    with robot.stream(60.0):
        while_it_ran = wait_for("five answers", lambda: len(found()) >= 5 and found())
    robot.status(image=robot.show(), outcome="found")
    answered = found()
    stamps = [float(values["stamp"]) for values in answered]
    assert stamps == sorted(set(stamps))
    # The queue is as long as one image takes to come; an answer is a query old, not a backlog (0.4 s) old. The last
    # image of the stream is not among these: nothing newer takes its place while it waits.
    for values in while_it_ran[1:]:
        assert float(values["total_ms"]) < float(values["engine_ms"]) + 350.0
    first, last = answered[0], answered[-1]
    received = int(last["received"]) - int(first["received"])
    dropped = int(last["dropped"]) - int(first["dropped"])
    assert dropped > 60
    # When the first answer came, one image may have been with the engine already, and one waiting.
    assert received - dropped == pytest.approx(len(answered) - 1, abs=2)
