"""~/refresh on real DDS: a new answer ahead of the rate, asked for by hand and by the propagation node."""

from __future__ import annotations

import sys
import time
from functools import partial

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from processes import wait_for
from robot import Robot, hold, image_message, textured_message
from running import Process, start_node, until_stopped
from scripted_engine import asked_for, box_of
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
RATE = 0.2
WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def node(engine):
    settings = {"max_rate": RATE, "refresh_interval": 0.5, "ahead_of_rate": "all"}
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **settings)
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
        robot.answers()
        waits = []
        for _ in range(3):
            time.sleep(0.7)
            begun = time.monotonic()
            refresh.publish(String(data="by hand"))
            robot.another_answer()
            waits.append(time.monotonic() - begun)
        # Of the three at most one could be the rate's own.
        assert sorted(waits)[1] < 0.4 / RATE, waits
        begun = time.time_ns()
        while (ended := time.time_ns()) < begun + 2 * 10**9:
            refresh.publish(String(data="flood"))
            time.sleep(0.02)
        assert robot.published(begun, ended) <= 2.0 / 0.5 + 2
    print(f"\nrefreshed answers after {[round(wait, 3) for wait in waits]} s at {RATE} Hz")


def test_a_new_instruction_is_answered_at_once_though_the_rate_is_low(robot, engine):
    with robot.stream(20.0):
        waits = []
        for words in ("the red mug", "the green mug", "the blue mug"):
            begun = time.monotonic()
            robot.instruct(words)

            def answered(words=words):
                found = [entry for array in robot.arrays() for entry in array.detections]
                return any(entry.results[0].hypothesis.class_id == words for entry in found)

            wait_for("its answer", answered)
            waits.append(time.monotonic() - begun)
            time.sleep(0.7)
    assert sorted(waits)[1] < 0.4 / RATE, waits


def test_a_lost_line_of_an_earlier_instruction_asks_for_nothing_and_says_so(node, robot, engine):
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    with robot.stream(20.0):
        robot.instruct("the old mug")
        robot.answers()
        robot.instruct("the new box\nthe new can")
        robot.answers(3)
        # The next that the rate allows by itself is 5 s away.
        time.sleep(0.7)
        asked = len(robot.arrays())
        refresh.publish(String(data="the old mug"))
        wait_for("its word", lambda: "'the old mug' is asked no more, so ~/refresh asks nothing" in node.output)
        hold("no question", lambda: len(robot.arrays()) == asked, 1.0)
        refresh.publish(String(data="by hand"))
        wait_for("both answers", lambda: len(robot.arrays()) == asked + 2)


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
        robot.serves("the box")
        with robot.stream(15.0, lambda: picture[0]()):
            refresh.publish(String(data="by hand"))
            wait_for("carried boxes", lambda: [array for array in now if array.detections])
            picture[0] = blank
            begun, asked = time.monotonic(), time.time_ns()
            wait_for("the end of the boxes", lambda: not now[-1].detections)
            wait_for("a new answer", lambda: robot.visible and robot.visible[-1][0] > asked)
            waited = time.monotonic() - begun
            assert waited < 0.5 / RATE
        print(f"\na new answer {waited:.2f} s after the object was gone, at {RATE} Hz")
    finally:
        follower.stop()
    assert "Traceback" not in follower.output


def test_one_lost_target_of_several_is_asked_for_alone(robot, engine):
    lines = ("the red mug", "the can")
    arguments = ["--ros-args", "-r", "~/lost:=grounding/refresh", "-p", "coast:=0.0", "-p", "max_propagation:=60.0"]
    follower = Process([sys.executable, "-m", "egm_ros.propagation", *arguments], DOMAIN)
    now: list[Detection2DArray] = []
    robot.node.create_subscription(Detection2DArray, "propagation/visible", now.append, 10)
    bare = textured_message(WIDTH, HEIGHT)
    pixels = np.frombuffer(bare.data, np.uint8).reshape(HEIGHT, WIDTH, 3).copy()
    left, top, right, bottom = (np.array(box_of(lines[0], amodal=True)) * [0.32, 0.24, 0.32, 0.24]).astype(int)
    pixels[max(0, top - 9) : bottom + 9, max(0, left - 9) : right + 9] = 0
    gone = [False]

    def picture() -> Image:
        message = textured_message(WIDTH, HEIGHT)
        message.data = pixels.tobytes() if gone[0] else message.data
        return message

    def followed() -> dict[str, str]:
        return {entry.results[0].hypothesis.class_id: entry.id for entry in now[-1].detections} if now else {}

    def asked() -> list[str]:
        return [asked_for(prompt)[0] for prompts in engine.stats()["asked_of"].values() for prompt in prompts]

    try:
        wait_for("the follower", lambda: robot.images.get_subscription_count() == 2)
        # What is asked from here on is a new line, or a refresh.
        assert robot.set(max_rate=0.01).successful
        with robot.stream(15.0, picture) as shown:
            wait_for("images", lambda: len(shown) > 5)
            robot.instruct("\n".join(lines))
            wait_for("carried boxes", lambda: set(followed()) == set(lines))
            ids, before = followed(), len(asked())
            gone[0] = True
            wait_for("a question about the lost one", lambda: len(asked()) > before)
            wait_for("the other's boxes alone", lambda: set(followed()) == {lines[1]})
            hold("no other question", lambda: set(asked()[before:]) == {lines[0]}, 1.5)
            assert followed()[lines[1]] == ids[lines[1]]
    finally:
        follower.stop()
        assert robot.set(max_rate=RATE).successful
    assert "Traceback" not in follower.output


def test_the_rate_bounds_refreshes_new_instructions_and_single_questions_unless_told_otherwise(robot, engine):
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    assert robot.set(ahead_of_rate="none", max_rate=2.0, refresh_interval=0.0).successful
    try:
        with robot.stream(20.0):
            robot.instruct("the mug")
            robot.answers()
            before, begun, number = engine.stats()["asked"], time.monotonic(), 0
            while time.monotonic() < begun + 3.0:
                number += 1
                refresh.publish(String(data="flood"))
                if number % 5 == 0:
                    robot.instruct(f"the mug number {number}")
                if number % 20 == 0:
                    robot.ground_once()
                time.sleep(0.05)
            asked, seconds = engine.stats()["asked"] - before, time.monotonic() - begun
            assert 2 <= asked / 2 <= 2.0 * seconds + 1, f"{asked} requests in {seconds:.1f} s"
            # What may go ahead does.
            assert robot.set(ahead_of_rate="all", max_rate=RATE).successful
            robot.another_answer()
            begun = time.monotonic()
            refresh.publish(String(data="by hand"))
            robot.another_answer()
            assert time.monotonic() - begun < 0.4 / RATE
    finally:
        assert robot.set(ahead_of_rate="all", max_rate=RATE, refresh_interval=0.5).successful


def test_a_refresh_without_an_instruction_asks_nothing(robot, engine):
    refresh = robot.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    robot.serves("")
    before = engine.stats()["asked"]
    with robot.stream(20.0):
        for _ in range(5):
            refresh.publish(String(data="for nothing"))
            time.sleep(0.1)
        hold("a rest", lambda: engine.stats()["asked"] == before, 0.5)
        # The images and the node's wish to be asked are there.
        robot.instruct("the mug")
        robot.status(outcome="found")
