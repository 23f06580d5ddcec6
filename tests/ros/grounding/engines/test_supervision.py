"""Engines that die, hang or lie, and a node that goes on: real processes on real DDS."""

from __future__ import annotations

import os
import signal
import time

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from processes import alive, wait_for
from robot import Robot, hold
from running import ScriptedEngine, scripted, start_node
from supervised import HEALTH_TIMEOUT, OTHER_DOMAIN, script

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED

# Two polls may wait 2 s each beyond the timeout; then 3 s of grace, the pause, and the start on a busy machine.
RECOVERY = HEALTH_TIMEOUT + 4.0 + 3.0 + 0.2 + 10.0


def found_since(robot: Robot, begun: float, timeout: float) -> float:
    """Wait for boxes of an image that was published after a time, and give the seconds that passed since."""

    def find() -> bool:
        return any(values["outcome"] == "found" and float(values["stamp"]) > begun for values in robot.values())

    wait_for("an answer", find, timeout)
    return time.time() - begun


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGSTOP, "engine_hung"), (signal.SIGKILL, "engine_died")])
def test_an_engine_stopped_or_killed_in_a_query_is_replaced_and_answers_follow(robot, node, number, reason):
    script(node, delay=0.5)
    (engine,) = scripted(node.pid)
    with robot.stream(10.0):
        found_since(robot, time.time(), 20.0)
        before = int(robot.values()[-1]["restarts"])
        time.sleep(0.25)
        begun = time.time()
        os.kill(engine, number)
        status = robot.status(reason=reason)
        passed = found_since(robot, begun + 0.5, RECOVERY)
    print(f"{signal.Signals(number).name}: an answer {passed + 0.5:.1f} s later, bound {RECOVERY:.1f} s")
    assert status["level"] == 2
    assert not alive(engine)
    assert int(robot.values()[-1]["restarts"]) == before + 1


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("error500", "3 failures in a row"),
        ("empty", "3 failures in a row"),
        ("cut", "3 failures in a row"),
        ("silent", "no piece of any answer for 3."),
    ],
)
def test_an_engine_that_is_ready_but_fails_or_is_mute_is_replaced(robot, node, mode, words):
    if mode == "silent":
        assert robot.set(query_timeout=0.8).successful
    (engine,) = scripted(node.pid)
    script(node, mode=mode)
    with robot.stream(10.0):
        status = robot.status(reason="engine_unusable")
        assert words in status["message"]
        robot.status(outcome="found")
    assert not alive(engine)


@pytest.mark.parametrize(
    ("mode", "delay", "words"),
    [
        ("garbage", 0.0, "raw_visible of ~/ground_once"),
        ("degenerate", 0.0, "raw_visible of ~/ground_once"),
        ("late", 1.2, "raise query_timeout above what answers take (an answer took 1."),
        ("found", 1.2, "raise query_timeout"),
    ],
)
def test_a_healthy_engine_that_is_late_or_not_understood_is_degraded_and_stays(robot, node, mode, delay, words):
    """Through more queries than ever replaced one, and longer than a mute engine is borne with."""
    assert robot.set(query_timeout=0.8, max_rate=10.0).successful
    (engine,) = scripted(node.pid)
    script(node, mode=mode, delay=delay)
    begun = time.monotonic()
    with robot.stream(10.0):
        wait_for(
            "three times as many queries as failure_limit",
            lambda: sum(values["outcome"] in ("error", "stale") for values in robot.values()) >= 9,
        )
        wait_for("more time than a mute engine has", lambda: time.monotonic() > begun + HEALTH_TIMEOUT + 2.0)
        status = robot.status(reason="engine_degraded")
        assert (status["level"], status["engine"]) == (1, "ready")
        assert "stays" in status["message"]
        assert words.split(" (")[0] in status["message"]
        assert scripted(node.pid) == [engine]
        assert robot.values()[-1]["restarts"] == status["restarts"]
        script(node, mode="found", delay=0.0)
        robot.status(reason="engine_ready")
        robot.status(outcome="found")
    assert scripted(node.pid) == [engine]


def test_an_engine_that_always_fails_at_amodal_boxes_is_degraded_and_stays(robot, node):
    (engine,) = scripted(node.pid)
    script(node, mode="amodal500")
    with robot.stream(10.0):
        status = robot.status(reason="engine_degraded")
        assert status["level"] == 1
        assert "amodal queries in a row that failed" in status["message"] and "amodal_model" in status["message"]
        assert robot.status(outcome="found")["engine"] == "ready"
        script(node, mode="found")
        robot.status(reason="engine_ready")
    assert scripted(node.pid) == [engine]


def test_answers_between_failures_do_not_lift_the_bound_on_restarts(robot, node):
    assert robot.set(restart_limit=2, restart_window=300.0).successful
    seen = set(scripted(node.pid))
    with robot.stream(10.0):
        for _ in range(2):
            script(node, mode="error500")
            robot.status(reason="engine_unusable")
            # What it found before does not count.
            robot.forget()
            robot.status(outcome="found")
            robot.forget()
            seen.update(scripted(node.pid))
        assert len(seen) == 3
        (engine,) = scripted(node.pid)
        script(node, mode="error500")
        status = robot.status(reason="engine_degraded")
        assert "restart_limit 2 within 300 s is reached" in status["message"]
        hold("the engine", lambda: scripted(node.pid) == [engine], 1.0)
        script(node, mode="found")
        robot.status(reason="engine_ready")


def test_an_engine_that_dies_too_often_waits_for_its_window_or_a_higher_limit(robot, node):
    assert robot.set(restart_limit=1, restart_window=300.0).successful
    os.kill(scripted(node.pid)[0], signal.SIGKILL)
    robot.status(reason="engine_ready")
    robot.forget()
    os.kill(scripted(node.pid)[0], signal.SIGKILL)

    def held_back() -> bool:
        return any(
            values["reason"] == "engine_died" and "the next start is in" in values["message"]
            for values in robot.values()
        )

    wait_for("a report", held_back)
    hold("no engine", lambda: not scripted(node.pid), 1.0)
    assert robot.set(restart_limit=2).successful
    robot.status(reason="engine_ready")


def test_one_failure_among_answers_replaces_nothing(robot, node):
    (engine,) = scripted(node.pid)
    for mode in ("garbage", "found", "error500", "found", "cut", "found"):
        robot.forget()
        script(node, mode=mode)
        robot.show()
        robot.status(outcome="found" if mode == "found" else "error")
    assert scripted(node.pid) == [engine]


def test_an_answer_that_comes_twice_counts_once(robot, node):
    script(node, mode="twice")
    robot.show()
    robot.status(outcome="found")
    script(node, mode="found")
    image = robot.show()
    robot.boxes(image)
    robot.status(image=image)
    assert (len(robot.arrays()), len(robot.values())) == (4, 2)


def test_an_answer_that_comes_late_is_never_published(robot, node):
    assert robot.set(query_timeout=0.6).successful
    script(node, mode="late", delay=1.2)
    robot.show()
    assert robot.status(outcome="stale")["reason"] == "query_timeout"
    time.sleep(1.2)
    script(node, mode="found", delay=0.0)
    assert robot.set(query_timeout=5.0).successful
    robot.only_answer(robot.show())


def test_a_server_at_a_url_that_answers_nothing_of_use_is_reported_and_left_alone():
    engine = ScriptedEngine(OTHER_DOMAIN)
    engine.script(mode="error500")
    node = start_node(
        OTHER_DOMAIN,
        model="scripted-qwen",
        engine_url=engine.url,
        failure_limit=2,
        max_rate=0.0,
        default_instruction="the mug",
    )
    robot = Robot(OTHER_DOMAIN)
    try:
        with robot.stream(10.0):
            assert robot.status(reason="engine_degraded")["level"] == 1
            engine.script(mode="found")
            robot.forget()
            status = robot.status(reason="engine_ready")
            assert (status["level"], status["restarts"]) == (0, "0")
            robot.status(outcome="found")
    finally:
        robot.close()
        engine.stop()
        assert node.stop() == 0, node.output
