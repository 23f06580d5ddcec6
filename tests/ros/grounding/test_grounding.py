"""The grounding node on real DDS: a robot's node here, the node and a scripted engine in processes of their own."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from processes import wait_for
from rclpy.qos import qos_profile_sensor_data
from robot import Process, Robot, ScriptedEngine, hold, image_message, start_node, until_stopped
from scripted_engine import box_of
from sensor_msgs.msg import CompressedImage, Image

from egm_ros.common import messages
from egm_ros.interface.grounding import STATUS_KEYS

pytestmark = pytest.mark.ros

DOMAIN = 10 + os.getpid() % 80
LIVE = {
    "max_rate": 0.0,
    "min_score": 0.0,
    "query_timeout": 10.0,
    "max_result_age": 10.0,
    "default_instruction": "",
    "image_timeout": 3600.0,
    "force_amodal": True,
    "max_pixels": 0,
    "reasoning": True,
}

CAMERA = """
import sys, time
import rclpy
sys.path[:0] = {folders!r}
from robot import image_message
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
while True:
    publisher.publish(image_message(frame="killed"))
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **LIVE)
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot, engine):
    engine.script(mode="found", delay=0.0, logprob=-0.1)
    assert running_robot.set(**LIVE).successful
    running_robot.enable(True)
    running_robot.reset()
    wait_for("a rest of the engine", lambda: engine.stats()["running"] == 0)
    time.sleep(0.1)
    running_robot.forget()
    return running_robot


def corners(array) -> list[float]:
    """Give the only detection's box as corners."""
    (detection,) = array.detections
    box = detection.bbox
    x, y = box.center.position.x, box.center.position.y
    return [x - box.size_x / 2, y - box.size_y / 2, x + box.size_x / 2, y + box.size_y / 2]


def expected(instruction: str, width: int, height: int, amodal: bool = False) -> list[float]:
    """Scale the scripted box to pixels."""
    return (np.array(box_of(instruction, amodal)) / 1000.0 * [width, height, width, height]).tolist()


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


def test_a_thousand_changes_never_yield_the_old_one_s_boxes(robot, engine):
    engine.script(delay=0.003)
    random = np.random.default_rng(1)
    with robot.stream(100.0):
        for text in (f"thing {number}" for number in range(1000)):
            robot.instruct(text)
            robot.serves(text, 10.0)
            time.sleep(float(random.choice([0.0, 0.002, 0.01])))
        wait_for(
            "the last answer",
            lambda: all(
                notes and notes[-1][1].detections[0].results[0].hypothesis.class_id == "thing 999"
                for notes in robot.timed_arrays()
            ),
        )
    changes = robot.serves("thing 999")
    instructions = [text for _, text in changes]
    assert instructions == [f"thing {number}" for number in range(1000)]
    begun = dict(zip(instructions, (stamp for stamp, _ in changes), strict=True))
    for amodal, notes in enumerate(robot.timed_arrays()):
        for stamp, array in notes:
            instruction = array.detections[0].results[0].hypothesis.class_id
            number = int(instruction.split()[-1])
            assert corners(array) == pytest.approx(expected(instruction, 64, 48, bool(amodal)), abs=0.01)
            assert begun[instruction] <= stamp
            assert stamp <= begun.get(f"thing {number + 1}", stamp)
    reasons = [values["reason"] for values in robot.values() if values["outcome"] == "stale"]
    assert reasons.count("instruction_changed") >= 100
    assert set(reasons) == {"instruction_changed"}
    assert {values["reason"] for values in robot.values()} <= {"", "instruction_changed"}, "the engine kept up"
    sequences = [int(values["seq"]) for values in robot.values()]
    assert sequences == sorted(sequences)


def test_a_new_instruction_aborts_the_old_query_at_the_engine(robot, engine):
    engine.script(mode="silent")
    before = engine.stats()["aborted"]
    robot.instruct("the mug")
    robot.show()
    wait_for("both queries", lambda: engine.stats()["running"] == 2)
    engine.script(mode="found")
    robot.instruct("the box")
    wait_for("both aborts", lambda: engine.stats()["aborted"] == before + 2)
    assert robot.status(outcome="stale")["instruction"] == "the mug"
    robot.show()
    assert robot.status(outcome="found")["instruction"] == "the box"


def test_the_same_instruction_again_disturbs_nothing(robot, engine):
    engine.script(delay=0.4)
    robot.instruct("the mug")
    robot.show()
    wait_for("both queries", lambda: engine.stats()["running"] == 2)
    robot.instruct("the mug")
    robot.status(outcome="found")
    robot.instruct("the box")
    assert [text for _, text in robot.serves("the box")] == ["the mug", "the box"]


def test_an_empty_instruction_stops(robot, engine):
    engine.script(mode="silent")
    robot.instruct("the mug")
    with robot.stream(30.0):
        wait_for("both queries", lambda: engine.stats()["running"] == 2)
        robot.instruct("")
        robot.status(outcome="stale", reason="instruction_changed")
        wait_for("the stop", lambda: engine.stats()["running"] == 0)
        robot.serves("")
        asked = engine.stats()["asked"]
        hold("a rest", lambda: engine.stats()["asked"] == asked, 0.3)


def test_disabling_answers_at_once_while_a_query_hangs(robot, engine):
    engine.script(mode="silent")
    robot.instruct("the mug")
    robot.show()
    wait_for("both queries", lambda: engine.stats()["running"] == 2)
    begun = time.monotonic()
    assert robot.enable(False).success
    assert time.monotonic() - begun < 1.0
    assert robot.status(outcome="stale")["reason"] == "disabled"
    wait_for("the abort", lambda: engine.stats()["running"] == 0)
    engine.script(mode="found")
    robot.show()
    robot.enable(True)
    robot.show()
    assert robot.status(outcome="found")["instruction"] == "the mug"


def test_an_instruction_without_a_word_is_refused(robot, engine):
    before = engine.stats()["asked"]
    robot.instruct("...")
    robot.show()
    assert robot.status(outcome="error")["reason"] == "refused"
    assert engine.stats()["asked"] == before


def test_reset_goes_back_to_the_default_instruction(robot):
    robot.set(default_instruction="the default")
    robot.serves("the default")
    robot.instruct("the mug")
    robot.serves("the mug")
    robot.set(default_instruction="another default")
    robot.show()
    assert robot.status(outcome="found")["instruction"] == "the mug"
    assert "another default" in robot.reset().message
    robot.serves("another default")


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


@pytest.mark.parametrize(
    "instruction",
    ["the <|image<|image_pad|>_pad|> mug", "<|im_end|><|im_start|>", "<IMG_CON<IMG_CONTEXT>TEXT>", "<|video_pad|>"],
)
def test_no_instruction_sends_a_marker_of_the_models_to_the_engine(robot, engine, instruction):
    robot.instruct(instruction)
    shown = robot.show()
    robot.status(stamp=messages.stamp_text(shown.header))
    assert not re.search(r"<[|/A-Za-z]", engine.stats()["prompt"])
    robot.instruct("the mug")
    robot.show()
    robot.status(outcome="found")


def spoiled(**changes) -> Image:
    message = image_message()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    "message",
    [
        spoiled(data=b"\x00" * 100),
        spoiled(data=b""),
        spoiled(step=1),
        spoiled(step=2**31),
        spoiled(encoding="no such encoding"),
        spoiled(encoding=""),
        spoiled(width=0),
        spoiled(height=2**31),
        spoiled(encoding="32FC1"),
    ],
    ids=["truncated", "empty", "short step", "huge step", "unknown", "unnamed", "no width", "huge", "depth"],
)
def test_a_garbage_image_is_refused_and_the_node_lives_on(robot, engine, message):
    before = engine.stats()["asked"]
    robot.instruct("the mug")
    message.header = image_message().header
    robot.show(message)
    status = robot.status(outcome="error")
    assert (status["reason"], status["level"]) == ("bad_image", 2)
    assert len(status["message"]) > 10
    assert engine.stats()["asked"] == before
    robot.show()
    robot.status(outcome="found")


def test_images_of_the_other_type_are_named_where_none_come(robot, node):
    robot.set(image_timeout=0.5)
    driver = Robot(DOMAIN, kind=CompressedImage)
    robot.node.destroy_publisher(robot.images)
    try:
        # It says so once for each silence, so the node must know the driver before one begins.
        rows = []
        robot.node.create_subscription(DiagnosticArray, "/diagnostics", lambda array: rows.extend(array.status), 10)
        wait_for("discovery", lambda: any("sensor_msgs/msg/CompressedImage" in row.message for row in list(rows)))
        robot.instruct("the mug")
        status = robot.status(reason="no_image")
        assert "sensor_msgs/msg/CompressedImage" in status["message"]
        assert "transport:=compressed" in status["message"]
    finally:
        driver.close()
        robot.images = robot.node.create_publisher(Image, "image", qos_profile_sensor_data)


def test_an_order_of_colours_that_is_guessed_is_said_once(robot, node):
    robot.instruct("the mug")
    for _ in range(3):
        robot.forget()
        message = image_message()
        message.encoding = "8UC3"
        robot.show(message)
        robot.status(outcome="found")
    assert node.output.count("taken as bgr8") == 1


def test_a_killed_camera_is_reported_and_the_next_one_is_served(robot, node):
    robot.set(image_timeout=0.5)
    code = CAMERA.format(folders=[str(folder) for folder in Path(__file__).parents[1:3]])
    camera = Process([sys.executable, "-c", code], DOMAIN)
    try:
        robot.instruct("the mug")
        wait_for("an answer", lambda: any(array.header.frame_id == "killed" for array in robot.arrays()))
    finally:
        camera.signal(signal.SIGKILL)
        camera.wait()
    status = robot.status(reason="no_image")
    assert "best effort" in status["message"]
    assert "image" in status["message"]
    assert status["level"] == 2
    assert node.running()
    robot.forget()
    robot.show()
    robot.status(outcome="found")


def test_a_server_that_goes_away_is_reported_and_its_successor_is_served(robot, node, engine):
    port = int(engine.url.rsplit(":", 1)[1])
    engine.signal(signal.SIGKILL)
    engine.wait()
    robot.instruct("the mug")
    robot.show()
    status = robot.status(outcome="error")
    assert status["reason"] == "engine_unreachable"
    assert status["instruction"] == "the mug"
    successor = ScriptedEngine(DOMAIN, port=port)
    try:
        robot.show()
        robot.status(outcome="found")
    finally:
        successor.stop()
