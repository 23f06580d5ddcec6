"""Engines that run out of memory: smaller pictures first, then a new engine, then it is left alone."""

from __future__ import annotations

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from robot import Robot, hold, image_message
from running import COMMAND, scripted, start_node
from supervised import OTHER_DOMAIN, script

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED


def test_where_memory_runs_out_a_smaller_picture_is_sent_and_answered(robot, node):
    (engine,) = scripted(node.pid)
    script(node, mode="oom", fits=160 * 120)
    for _ in range(3):
        robot.forget()
        robot.show(image_message(200, 150))
        assert "out_of_memory" in robot.status(outcome="found")["warnings"]
    assert robot.status(reason="engine_degraded")["level"] == 1
    stats = script(node, mode="found")
    assert stats["mode"] == "found"
    assert scripted(node.pid) == [engine]


def test_last_words_about_memory_replace_the_engine_and_make_pictures_smaller(robot, node):
    script(node, mode="oom_die", fits=0)
    robot.show()
    status = robot.status(reason="engine_out_of_memory")
    assert "CUDA out of memory" in status["message"]
    robot.forget()
    robot.status(reason="engine_degraded")
    robot.show()
    assert "out_of_memory" in robot.status(outcome="found")["warnings"]


def test_an_engine_without_memory_is_replaced_and_then_left_alone_as_degraded(model):
    node = start_node(
        OTHER_DOMAIN,
        model=str(model),
        engine_command=f"{COMMAND} --mode oom",
        restart_backoff=0.1,
        restart_limit=2,
        default_instruction="the mug",
        max_rate=10.0,
    )
    robot = Robot(OTHER_DOMAIN)
    try:
        with robot.stream(10.0):
            status = robot.status(reason="engine_degraded")
            assert (status["level"], status["restarts"]) == (1, "2")
            (engine,) = scripted(node.pid)
            robot.forget()
            hold("the engine", lambda: scripted(node.pid) == [engine], 1.5)
            assert "out of memory" in robot.status(outcome="error")["message"]
        reasons = [
            line.split("engine_out_of_memory")[0]
            for line in node.lines
            if "[ERROR]" in line and "engine_out_of_memory: " in line
        ]
        assert len(reasons) == 2
    finally:
        robot.close()
        assert node.stop() == 0, node.output
