"""The grounding node where a camera's time goes back, or cannot be compared with the node's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from domains import UNCLAIMED
from processes import wait_for
from robot import Robot, image_message
from running import Process, ScriptedEngine, start_node, until_stopped

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = OTHER_DOMAIN = UNCLAIMED
LIVE = {"max_rate": 0.0, "max_result_age": 10.0, "default_instruction": "the mug"}


@pytest.fixture(scope="module")
def node(engine: ScriptedEngine) -> Iterator[Process]:
    node = start_node(
        DOMAIN, model="scripted-qwen", engine_url=engine.url, image_timeout=3600.0, force_amodal=True, **LIVE
    )
    yield from until_stopped(node)


@pytest.fixture
def robot(node: Process, engine: ScriptedEngine) -> Iterator[Robot]:
    engine.script(mode="found", delay=0.0)
    robot = Robot(DOMAIN)
    robot.status(engine="ready")
    assert robot.set(**LIVE).successful
    yield robot
    robot.set(default_instruction="")
    robot.close()


def lines(process: Process, words: str) -> list[str]:
    return [line for line in process.output.splitlines() if words in line]


def test_an_answer_of_before_time_went_back_is_stale_and_the_next_image_is_asked_about_at_once(
    robot: Robot, engine: ScriptedEngine, node: Process
) -> None:
    """A simulator was reset while a slow engine worked: its answer is of a world that is no more."""
    engine.script(delay=20.0)
    robot.set(max_rate=0.02, query_timeout=60.0, refresh_interval=0.0, ahead_of_rate="all")
    asked = engine.stats()["asked"]
    robot.show(image_message(stamp=time.time()))
    wait_for("the query", lambda: engine.stats()["asked"] > asked)
    engine.script(delay=0.0)
    robot.forget()
    began = time.monotonic()
    image = robot.show(image_message(stamp=time.time() - 5.0))
    stale = robot.status(outcome="stale", timeout=5.0)
    assert stale["reason"] == "time_went_back"
    found = robot.status(outcome="found", timeout=5.0)
    assert found["stamp"] == f"{image.header.stamp.sec}.{image.header.stamp.nanosec:09d}"
    # By the rate alone the next query would be 50 s away.
    assert time.monotonic() - began < 10.0
    wait_for("the log", lambda: lines(node, "time went back by"))
    assert "/image" in lines(node, "time went back by")[0]


@pytest.mark.parametrize(
    ("stamp", "words"),
    [(0.0, "carry no stamp"), (4321.5, "count from a start"), (2.1e9, "ahead of this node's clock")],
    ids=["none", "uptime", "ahead"],
)
def test_stamps_of_no_use_are_named_once_and_ages_count_from_arrival(
    robot: Robot, node: Process, stamp: float, words: str
) -> None:
    arrays: list[DiagnosticArray] = []
    robot.node.create_subscription(DiagnosticArray, "/diagnostics", arrays.append, 10)
    began = time.monotonic()
    robot.forget()

    def moving() -> Any:
        passed = time.monotonic() - began
        return image_message(stamp=stamp + passed if stamp else 0.0)

    def told() -> bool:
        texts = [status.message for array in arrays for status in array.status if "input" in status.name]
        return any(words in text and "/image" in text for text in texts)

    with robot.stream(10.0, moving) as sent:
        found = robot.status(outcome="found")
        wait_for("a fresh age", lambda: 0.0 <= float(robot.values()[-1]["age_ms"]) < 5000.0)
        wait_for("the warning on /diagnostics", told)
        wait_for("the log", lambda: lines(node, words))
        wait_for("more images", lambda: len(sent) > 20)
    assert found["stamp"].startswith(f"{int(stamp)}.") or float(found["stamp"]) > stamp
    said = lines(node, words)
    assert len(said) == 1
    assert "/image" in said[0]
    assert "driver" in said[0] or "chrony" in said[0]


def test_simulated_time_without_a_clock_is_named_and_answers_come_nevertheless(engine: ScriptedEngine) -> None:
    engine.script(mode="found", delay=0.0)
    node = start_node(
        OTHER_DOMAIN,
        model="scripted-qwen",
        engine_url=engine.url,
        use_sim_time=True,
        max_rate=0.0,
        default_instruction="the mug",
    )
    robot = Robot(OTHER_DOMAIN)
    try:
        with robot.stream(5.0, partial(image_message)):
            found = robot.status(outcome="found")
            assert 0.0 <= float(found["age_ms"]) < 5000.0
            said = partial(lines, node, "are of no use")
            wait_for("the log", lambda: [line for line in said() if "nothing comes on /clock" in line])
    finally:
        robot.close()
        assert node.stop() == 0
    assert len([line for line in lines(node, "nothing comes on /clock") if "are of no use" in line]) == 1, node.output
