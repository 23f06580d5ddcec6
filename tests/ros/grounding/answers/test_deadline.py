"""An answer by its deadline: a first box, a thought where there is time, and what ~/status says of either."""

from __future__ import annotations

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from one_camera import corners, expected
from processes import wait_for

pytestmark = pytest.mark.ros

DOMAIN = UNCLAIMED
PLAIN, RELATED = "the mug", "the mug left of the box"
WIDTH, HEIGHT = 64, 48


def asked(robot, engine, instruction: str, **script):
    """Set a deadline, ask about images until one is answered, and give its status and its visible box."""
    engine.script(thought_delay=0.0, **script) if "thought_delay" not in script else engine.script(**script)
    robot.instruct(instruction)
    image = robot.show()
    status = robot.status(60.0, image)
    visible, _ = robot.boxes(image)
    return status, corners(visible)


def test_a_plain_expression_is_answered_without_thinking(robot, engine):
    assert robot.set(deadline=9.0).successful
    status, box = asked(robot, engine, PLAIN)
    assert (status["outcome"], status["thought"], status["amodal_thought"]) == ("found", "no", "no")
    assert (status["deadline_missed"], status["reasoning"]) == ("no", "")
    assert box == pytest.approx(expected(PLAIN, WIDTH, HEIGHT), abs=1e-3)


def test_one_that_must_be_compared_is_thought_about(robot, engine):
    assert robot.set(query_timeout=600.0, deadline=300.0).successful
    status, box = asked(robot, engine, RELATED)
    assert (status["thought"], status["reasoning"], status["deadline_missed"]) == ("yes", "It is there.", "no")
    assert box == pytest.approx(expected(f"{RELATED}, after thinking", WIDTH, HEIGHT), abs=1e-3)


def test_a_thought_that_does_not_end_is_cut_and_the_first_box_stands(robot, engine):
    aborted = engine.stats()["aborted"]
    assert robot.set(deadline=2.0).successful
    status, box = asked(robot, engine, RELATED, thought_delay=3600.0)
    assert (status["outcome"], status["thought"], status["reasoning"]) == ("found", "late", "")
    assert box == pytest.approx(expected(RELATED, WIDTH, HEIGHT), abs=1e-3)
    wait_for("the end of the thoughts", lambda: engine.stats()["running"] == 0)
    assert engine.stats()["aborted"] > aborted


def test_a_first_box_after_the_deadline_is_published_and_told(robot, engine):
    assert robot.set(deadline=0.2).successful
    status, box = asked(robot, engine, PLAIN, delay=0.5)
    assert (status["outcome"], status["deadline_missed"], status["level"]) == ("found", "yes", 1)
    assert "after its deadline" in status["message"] and float(status["age_ms"]) >= 200.0
    assert box == pytest.approx(expected(PLAIN, WIDTH, HEIGHT), abs=1e-3)


def test_a_deadline_over_the_timeout_is_refused(robot):
    result = robot.set(deadline=20.0)
    assert not result.successful and "query_timeout" in result.reason
