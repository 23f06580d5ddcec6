"""~/refresh on real DDS: a new answer ahead of the rate, asked for by hand and by the propagation node."""

from __future__ import annotations

import os
import sys
import time
from functools import partial

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from robot import Process, Robot, image_message, start_node, textured_message, until_stopped, wait_for
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

pytestmark = pytest.mark.ros

DOMAIN = 10 + (os.getpid() + 55) % 80
RATE = 0.2
WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, max_rate=RATE, refresh_interval=0.5)
    yield from until_stopped(node)


@pytest.fixture
def robot(node):
    robot = Robot(DOMAIN)
    robot.status(engine="ready")
    yield robot
    robot.instruct("")
    robot.close()


def blank() -> Image:
    message = image_message(WIDTH, HEIGHT)
    message.data = bytes(3 * WIDTH * HEIGHT)
    return message


def test_a_refresh_is_answered_at_once_though_the_rate_is_low(robot, engine):
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    robot.instruct("the mug")
    with robot.stream(20.0):
        # With a rate of 0.2 Hz the first answer may be 5 s after the last one of before.
        wait_for("an answer", lambda: robot.visible)
        waits = []
        for _ in range(3):
            time.sleep(0.7)
            before, begun = len(robot.visible), time.monotonic()
            refresh.publish(String(data="by hand"))
            wait_for("the refreshed answer", lambda before=before: len(robot.visible) > before)
            waits.append(time.monotonic() - begun)
        # Of the three at most one could be the rate's own.
        assert sorted(waits)[1] < 0.4 / RATE, waits
        before, begun = len(robot.visible), time.monotonic()
        while time.monotonic() < begun + 2.0:
            refresh.publish(String(data="flood"))
            time.sleep(0.02)
        assert len(robot.visible) - before <= 2.0 / 0.5 + 2
    print(f"\nrefreshed answers after {[round(wait, 3) for wait in waits]} s at {RATE} Hz")


def test_a_new_instruction_is_answered_at_once_though_the_rate_is_low(robot, engine):
    with robot.stream(20.0):
        waits = []
        for words in ("the red mug", "the green mug", "the blue mug"):
            begun = time.monotonic()
            robot.instruct(words)

            def answered(words=words):
                found = [entry for _, array in robot.visible for entry in array.detections]
                return any(entry.results[0].hypothesis.class_id == words for entry in found)

            wait_for("its answer", answered)
            waits.append(time.monotonic() - begun)
            time.sleep(0.7)
    assert sorted(waits)[1] < 0.4 / RATE, waits


def test_a_lost_track_gets_a_new_answer_ahead_of_the_rate(robot, engine):
    arguments = ["--ros-args", "-r", "~/lost:=grounding/refresh", "-p", "coast:=0.0", "-p", "max_propagation:=60.0"]
    follower = Process([sys.executable, "-m", "egm_ros.propagation", *arguments], DOMAIN)
    now: list[Detection2DArray] = []
    robot.node.create_subscription(Detection2DArray, "propagation/visible", now.append, 10)
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    picture = [partial(textured_message, WIDTH, HEIGHT)]
    try:
        wait_for("the follower", lambda: robot.images.get_subscription_count() == 2)
        wait_for("the node", refresh.get_subscription_count)
        robot.instruct("the box")
        wait_for("the instruction", lambda: robot.active and robot.active[-1][1] == "the box")
        with robot.stream(15.0, lambda: picture[0]()):
            refresh.publish(String(data="by hand"))
            wait_for("carried boxes", lambda: [array for array in now if array.detections])
            answered = len(robot.visible)
            picture[0] = blank
            begun = time.monotonic()
            wait_for("the end of the boxes", lambda: not now[-1].detections)
            wait_for("a new answer", lambda: len(robot.visible) > answered)
            waited = time.monotonic() - begun
            assert waited < 0.5 / RATE
        print(f"\na new answer {waited:.2f} s after the object was gone, at {RATE} Hz")
    finally:
        follower.stop()
    assert "Traceback" not in follower.output


def test_a_refresh_without_an_instruction_asks_nothing(robot, engine):
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    wait_for("a rest", lambda: robot.active and robot.active[-1][1] == "")
    before = engine.stats()["asked"]
    with robot.stream(20.0):
        for _ in range(5):
            refresh.publish(String(data="for nothing"))
            time.sleep(0.1)
    assert engine.stats()["asked"] == before
