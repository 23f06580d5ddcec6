"""Engines that die, hang, lie, or run out of memory, and a node that goes on: real processes on real DDS."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from processes import alive, descendants, wait_for
from robot import (
    COMMAND,
    Robot,
    ScriptedEngine,
    counts,
    folder_of,
    hold,
    image_message,
    request,
    scripted,
    start_node,
    until_stopped,
    url_of,
)
from rosgraph_msgs.msg import Clock

from egm_ros.interface.settings import GROUNDING

pytestmark = pytest.mark.ros

DOMAIN = 10 + (os.getpid() + 30) % 80
OTHER_DOMAIN = 10 + (os.getpid() + 50) % 80
HEALTH_TIMEOUT = 3.0
# Two polls may wait 2 s each beyond the timeout; then 3 s of grace, the pause, and the start on a busy machine.
RECOVERY = HEALTH_TIMEOUT + 4.0 + 3.0 + 0.2 + 10.0
LIVE = {
    "query_timeout": 5.0,
    "max_rate": 0.0,
    "max_pixels": 0,
    "free_on_deactivate": False,
    "failure_limit": 3,
    "restart_limit": 3,
    "restart_window": 300.0,
}
# The way's and the grounder's pools hold so many threads at most; each fills up as pictures come.
POOLS = 10
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model folder with empty weights: the scripted engine needs none."""
    return folder_of(tmp_path_factory.mktemp("models") / "scripted-qwen", "visible", "amodal")


@pytest.fixture(scope="module")
def node(model):
    node = start_node(
        DOMAIN,
        model=str(model),
        engine_command=COMMAND,
        default_instruction="the mug",
        engine_health_timeout=HEALTH_TIMEOUT,
        restart_backoff=0.2,
        **LIVE,
    )
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot, node):
    """The robot before a node with a fresh engine, for one that was replaced before waits longer for the next."""
    assert running_robot.set(**LIVE | {"free_on_deactivate": True}).successful
    running_robot.reset()
    running_robot.transition(DEACTIVATE)
    running_robot.forget()
    assert running_robot.transition(ACTIVATE)
    running_robot.status(reason="engine_ready")
    assert running_robot.set(**LIVE).successful
    running_robot.forget()
    return running_robot


def script(node, **settings) -> dict:
    """Tell the engine below the node what to do from now on."""
    (engine,) = scripted(node.pid)
    return request(f"{url_of(engine)}/script", settings)


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
