"""A node over a long life: many instructions and deactivations, a clock that jumps, and its end."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from builtin_interfaces.msg import Time
from domains import UNCLAIMED
from processes import alive, descendants, wait_for
from robot import Robot, image_message
from rosgraph_msgs.msg import Clock
from running import COMMAND, counts, scripted, start_node
from supervised import ACTIVATE, DEACTIVATE, OTHER_DOMAIN, script

from egm_ros.interface.settings import GROUNDING

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED

# The way's and the grounder's pools hold so many threads at most; each fills up as pictures come.
POOLS = 10


def test_a_hundred_instructions_in_ten_seconds_leave_the_last_one_answered(robot, node):
    script(node, delay=0.25)
    before: tuple[int, ...] = ()
    with robot.stream(20.0):
        begun = time.monotonic()
        for number in range(100):
            if number == 50:
                before = counts(node.pid)
            robot.instruct(f"thing {number}")
            time.sleep(max(0.0, begun + 0.1 * (number + 1) - time.monotonic()))
        assert robot.status(outcome="found", instruction="thing 99")
    for array in robot.arrays():
        assert array.detections[0].results[0].hypothesis.class_id.startswith("thing ")
    outcomes = {(values["outcome"], values["reason"]) for values in robot.values()}
    assert outcomes <= {("stale", "instruction_changed"), ("found", "")}
    wait_for(
        f"no more threads and files than {before}, or what the pools take",
        lambda: all(now <= then + POOLS for now, then in zip(counts(node.pid), before, strict=True)),
    )
    assert len(scripted(node.pid)) == 1


def test_fifty_deactivations_keep_the_engine_and_leave_nothing_behind(robot, node):
    (engine,) = scripted(node.pid)
    before: tuple[int, ...] = ()
    for number in range(50):
        assert robot.transition(DEACTIVATE)
        assert robot.transition(ACTIVATE)
        if number == 5:
            before = counts(node.pid)
    assert scripted(node.pid) == [engine]
    robot.forget()
    robot.show()
    robot.status(outcome="found")
    wait_for(
        f"no more threads and files than {before}, or what the pools take",
        lambda: all(now <= then + POOLS for now, then in zip(counts(node.pid), before, strict=True)),
    )


def test_deactivation_frees_the_engine_where_a_parameter_says_so(robot, node):
    assert robot.set(free_on_deactivate=True).successful
    assert robot.transition(DEACTIVATE)
    wait_for("the end of the engine", lambda: not scripted(node.pid))
    assert robot.transition(ACTIVATE)
    robot.forget()
    robot.status(reason="engine_ready")
    robot.show()
    robot.status(outcome="found")


def test_every_parameter_out_of_range_is_refused_by_name(robot):
    for spec in GROUNDING:
        wrong = {bool: [3, "yes"], str: [5], tuple: ["text"], int: [0.5, "1"], float: ["1"]}[type(spec.default)]
        if spec.range is not None:
            kind = type(spec.default)
            wrong += [kind(spec.range[0] - 1), kind(spec.range[1] + 1)]
            wrong += [float("nan"), float("inf")] if kind is float else []
        wrong += ["no such choice"] if spec.choices else []
        for value in wrong:
            result = robot.set(**{spec.name: value})
            assert not result.successful, (spec.name, value)
            assert spec.name in result.reason or "type" in result.reason, (spec.name, value, result.reason)
    robot.show()
    robot.status(outcome="found")


def test_a_clock_that_jumps_leaves_answers_for_the_time_that_it_shows(model):
    node = start_node(
        OTHER_DOMAIN,
        model=str(model),
        engine_command=COMMAND,
        use_sim_time=True,
        max_rate=0.0,
        default_instruction="the mug",
    )
    robot = Robot(OTHER_DOMAIN)
    clock = robot.node.create_publisher(Clock, "/clock", 10)
    try:
        robot.status(engine="ready")
        wait_for("a listener of the clock", clock.get_subscription_count)
        for now in (1000.0, 5000.0, 20.0, 1.0e6, 0.5):
            message = Clock(clock=Time(sec=int(now), nanosec=int(now % 1 * 1e9)))
            stamp = f"{message.clock.sec}.{message.clock.nanosec:09d}"

            def answered(now: float = now, message: Clock = message, stamp: str = stamp) -> bool:
                clock.publish(message)
                robot.show(image_message(stamp=now))
                time.sleep(0.1)
                return any((values["stamp"], values["outcome"]) == (stamp, "found") for values in robot.values())

            robot.forget()
            wait_for(f"an answer at {now}", answered)
            if now > 30.0:
                robot.show(image_message(stamp=now - 20.0))
                assert robot.status(stamp=f"{int(now - 20.0)}.{message.clock.nanosec:09d}")["outcome"] == "stale"
    finally:
        robot.close()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_killing_the_node_ends_an_engine_that_hangs(model):
    node = start_node(OTHER_DOMAIN, model=str(model), engine_command=COMMAND)
    wait_for("the engine", lambda: "the engine is ready" in node.output)
    family = descendants(node.pid)
    (engine,) = scripted(node.pid)
    os.kill(engine, signal.SIGSTOP)
    node.signal(signal.SIGKILL)
    node.wait()
    wait_for("the end of the engine", lambda: not [pid for pid in family if alive(pid)], 15.0)


@pytest.mark.slow
def test_a_blank_image_is_absent_to_the_embedded_model():
    node = start_node(OTHER_DOMAIN, max_rate=0.0, query_timeout=60.0, max_result_age=60.0)
    robot = Robot(OTHER_DOMAIN)
    try:
        robot.ready(90.0)
        robot.instruct("the red mug")
        for shade in (0, 128, 255):
            image = image_message(320, 240)
            image.data = np.full(320 * 240 * 3, shade, np.uint8).tobytes()
            robot.forget()
            robot.show(image)
            status = robot.status(60.0, stamp=f"{image.header.stamp.sec}.{image.header.stamp.nanosec:09d}")
            assert status["outcome"] == "absent", (shade, status)
    finally:
        robot.close()
        assert node.stop() == 0, node.output
