"""The grounding node's life: its transitions, the engine that it starts, and the end of both."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from lifecycle_msgs.msg import Transition
from processes import alive, descendants, wait_for
from rclpy.duration import Duration
from robot import Robot
from running import COMMAND, counts, folder_of, request, scripted, start_node, url_of

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
OTHER_DOMAIN = UNCLAIMED
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model folder with empty weights: the scripted engine needs none."""
    return folder_of(tmp_path_factory.mktemp("models") / "scripted-qwen", "visible", "amodal")


@pytest.fixture(scope="module")
def node(model):
    node = start_node(
        DOMAIN, model=str(model), engine_command=COMMAND, autostart=False, max_rate=0.0, default_instruction="the mug"
    )
    yield node
    node.stop()


@pytest.fixture(scope="module")
def running_robot(node):
    robot = Robot(DOMAIN)
    yield robot
    robot.close()


@pytest.fixture
def robot(running_robot):
    state = running_robot.state()
    if state == "active":
        running_robot.transition(DEACTIVATE)
    if state in ("active", "inactive"):
        running_robot.transition(CLEANUP)
    assert running_robot.state() == "unconfigured"
    running_robot.forget()
    return running_robot


def test_configure_returns_at_once_and_readiness_follows_on_the_status(robot, node):
    begun = time.monotonic()
    assert robot.transition(CONFIGURE)
    assert time.monotonic() - begun < 3.0
    assert robot.status(reason="engine_starting")["level"] == 1
    assert robot.status(reason="engine_ready")["level"] == 0
    assert len(scripted(node.pid)) == 1
    assert robot.images.get_subscription_count() == 0
    assert robot.transition(ACTIVATE)
    image = robot.show()
    assert robot.status(image=image, outcome="found")["instruction"] == "the mug"
    assert all(array.detections for array in robot.boxes(image))


def test_the_node_s_process_has_no_torch(robot, node):
    robot.transition(CONFIGURE)
    robot.transition(ACTIVATE)
    robot.show()
    robot.status(outcome="found")
    loaded = Path(f"/proc/{node.pid}/maps").read_text()
    assert "rclpy" in loaded
    assert "libtorch" not in loaded


def test_deactivation_keeps_the_engine_and_stops_the_rest(robot, node):
    robot.transition(CONFIGURE)
    robot.transition(ACTIVATE)
    robot.show()
    robot.status(outcome="found")
    (engine,) = scripted(node.pid)
    assert robot.transition(DEACTIVATE)
    wait_for("no listener of the image", lambda: robot.images.get_subscription_count() == 0)
    robot.serves("")
    assert scripted(node.pid) == [engine]
    assert robot.transition(ACTIVATE)
    robot.forget()
    robot.show()
    robot.status(outcome="found")
    assert scripted(node.pid) == [engine]


def test_an_instruction_that_comes_while_inactive_is_served_later(robot):
    robot.transition(CONFIGURE)
    robot.instruct("the box")
    assert robot.instructions.wait_for_all_acked(Duration(seconds=30))
    robot.transition(ACTIVATE)
    robot.serves("the box")
    robot.show()
    assert robot.status(outcome="found")["instruction"] == "the box"
    robot.reset()


def test_cycles_leave_nothing_behind(robot, node):
    def cycle() -> None:
        assert robot.transition(CONFIGURE)
        robot.status(reason="engine_ready")
        assert robot.transition(ACTIVATE)
        robot.show()
        robot.status(outcome="found")
        assert robot.transition(DEACTIVATE)
        assert robot.transition(CLEANUP)
        wait_for("the end of the engine", lambda: not scripted(node.pid))
        robot.forget()

    for _ in range(2):
        cycle()
    time.sleep(0.5)
    before = counts(node.pid)
    for _ in range(4):
        cycle()
    wait_for(
        f"no more than {before} threads and files",
        lambda: all(now <= then for now, then in zip(counts(node.pid), before, strict=True)),
    )
    assert not descendants(node.pid)


def test_configure_again_at_once_waits_for_the_old_engine_to_go(robot, node):
    for _ in range(3):
        assert robot.transition(CONFIGURE)
        assert len(scripted(node.pid)) <= 1
        assert robot.transition(CLEANUP)
    assert robot.transition(CONFIGURE)
    assert robot.transition(ACTIVATE)
    robot.show()
    robot.status(outcome="found")
    assert len(scripted(node.pid)) == 1


def test_a_killed_engine_is_reported_and_replaced(robot, node):
    robot.transition(CONFIGURE)
    robot.transition(ACTIVATE)
    robot.show()
    robot.status(outcome="found")
    (engine,) = scripted(node.pid)
    os.kill(engine, signal.SIGKILL)
    status = robot.status(reason="engine_died")
    assert status["level"] == 2
    assert "signal 9" in status["message"]
    robot.forget()
    assert robot.status(reason="engine_ready")["restarts"] == "1"
    robot.show()
    robot.status(outcome="found")
    assert alive(node.pid)


def test_an_engine_that_dies_in_a_query_is_told_as_such(robot, node):
    robot.transition(CONFIGURE)
    robot.transition(ACTIVATE)
    robot.status(reason="engine_ready")
    request(f"{url_of(*scripted(node.pid))}/script", {"mode": "die"})
    sent = robot.show()
    stamp = f"{sent.header.stamp.sec}.{sent.header.stamp.nanosec:09d}"
    assert robot.status(stamp=stamp)["reason"] == "engine_died"
    robot.forget()
    robot.status(reason="engine_ready")
    robot.show()
    robot.status(outcome="found")


def test_an_impossible_transition_is_refused_and_the_node_lives_on(robot, node):
    assert not robot.transition(ACTIVATE)
    refused = robot.status(reason="transition_refused")
    assert refused["level"] == 2
    assert "possible now: configure, shutdown (ros2 lifecycle set /grounding configure)" in refused["message"]
    assert not robot.transition(200)
    assert robot.state() == "unconfigured"
    assert alive(node.pid)


def test_killing_the_node_leaves_no_engine_behind(robot, node):
    """Last in this module, for it ends the node."""
    robot.transition(CONFIGURE)
    robot.status(reason="engine_ready")
    family = descendants(node.pid)
    assert len(family) == 2
    node.signal(signal.SIGKILL)
    node.wait()
    wait_for("the end of the engine", lambda: not [pid for pid in family if alive(pid)], 15.0)


def test_a_second_model_answers_the_amodal_queries(tmp_path):
    visible, amodal = folder_of(tmp_path / "seen", "visible"), folder_of(tmp_path / "whole", "amodal")
    node = start_node(
        OTHER_DOMAIN,
        model=str(visible),
        amodal_model=str(amodal),
        engine_command=COMMAND,
        default_instruction="the mug",
        max_rate=0.0,
    )
    robot = Robot(OTHER_DOMAIN)
    try:
        with robot.stream(10.0):
            assert robot.status(outcome="found")["warnings"] == ""
            wait_for("both boxes", lambda: robot.visible and robot.amodal)
        assert all(array.detections for array in robot.arrays())
        engines = scripted(node.pid)
        asked = [request(f"{url_of(engine)}/stats")["asked"] for engine in engines]
        assert len(asked) == 2
        assert all(asked)
    finally:
        robot.close()
        assert node.stop() == 0
    assert not [pid for pid in engines if alive(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_and_its_engine_in_order(model, number):
    node = start_node(OTHER_DOMAIN, model=str(model), engine_command=COMMAND)
    wait_for("the engine", lambda: "the engine is ready" in node.output)
    family = descendants(node.pid)
    node.signal(number)
    assert node.wait() == 0, node.output
    assert "Traceback" not in node.output
    assert not [pid for pid in family if alive(pid)]


@pytest.mark.parametrize(
    ("parameters", "status", "parts"),
    [
        ({"model": "no/such/model"}, 1, ["configure_failed", "no/such/model"]),
        ({"max_rate": 99.0}, 2, ["max_rate", "99", "30"]),
        ({"max_rate": 3}, 2, ["max_rate", "2.0"]),
        ({"engine_command": "vllm serve"}, 2, ["engine_command", "{port}"]),
    ],
    ids=["no model", "range", "type", "no port"],
)
def test_a_node_that_cannot_start_says_why_and_ends(parameters, status, parts):
    node = start_node(OTHER_DOMAIN, **parameters)
    assert node.wait() == status, node.output
    for part in parts:
        assert part in node.output
    assert "Traceback" not in node.output
