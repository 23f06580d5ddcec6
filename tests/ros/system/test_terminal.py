"""What the grounding node tells in the terminal and on /rosout, from a real node with a scripted engine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from lifecycle_msgs.msg import Transition
from processes import wait_for
from rcl_interfaces.msg import Log
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from robot import Robot, image_message
from running import COMMAND, ScriptedEngine, folder_of, start_node

from egm_core.models.folder import EMBEDDED, load_info, resolve, write_info

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = OTHER_DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def stage(engine: ScriptedEngine) -> Iterator[tuple[Any, Robot, list[Log]]]:
    """A node that logs its debug, a robot, and what came on /rosout."""
    robot = Robot(DOMAIN)
    rosout: list[Log] = []
    latched = QoSProfile(depth=1000, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    robot.node.create_subscription(Log, "/rosout", rosout.append, latched)
    node = start_node(
        DOMAIN,
        "--log-level",
        "egm:=debug",
        "-r",
        "image:=/front/image_raw",
        "-r",
        "/robot/image:=/front/image_raw",
        model="scripted-qwen",
        engine_url=engine.url,
        max_rate=10.0,
        query_timeout=2.0,
    )
    robot.images = robot.node.create_publisher(type(image_message()), "/front/image_raw", 5)
    wait_for("the engine", lambda: "the engine is ready" in node.output)
    yield node, robot, rosout
    robot.close()
    assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def said(node: Any, *words: str) -> list[str]:
    return [line for line in node.lines if all(word in line for word in words)]


def test_the_start_is_no_error(stage: tuple[Any, Robot, list[Log]]) -> None:
    node, _, _ = stage
    assert said(node, "[INFO]", "the engine is starting: waiting for scripted-qwen")
    assert not said(node, "engine_starting")
    assert not said(node, "[ERROR]")
    assert said(node, "[INFO]", "activated, images from /front/image_raw; no instruction", "on /instruction")


def test_each_instruction_outcome_and_switch_has_one_line(
    stage: tuple[Any, Robot, list[Log]], engine: ScriptedEngine
) -> None:
    node, robot, rosout = stage
    engine.script(mode="found", delay=0.0)
    with robot.stream(10.0):
        robot.instruct("the mug")
        wait_for("answers", lambda: len([1 for values in robot.values() if values["outcome"] == "found"]) > 5)
        engine.script(mode="absent")
        wait_for("absent", lambda: said(node, "[INFO]", "absent: nothing in the image fits: the mug"))
        engine.script(mode="found")
        wait_for("found again", lambda: len(said(node, "[INFO]", "found: the mug")) == 2)
        robot.instruct("the cup")
        wait_for("the cup", lambda: said(node, "[INFO]", "found: the cup: visible box", "raw score 0.9"))
        robot.enable(False)
        robot.enable(True)
        wait_for("the summary", lambda: said(node, "[INFO]", "in the last ", " found", "the engine took"), 30.0)
        assert robot.transition(Transition.TRANSITION_DEACTIVATE)
        assert robot.transition(Transition.TRANSITION_ACTIVATE)
        wait_for("activation", lambda: said(node, "activated, images from /front/image_raw; instruction 2: 'the cup'"))
    for line in (
        "instruction 1: 'the mug'",
        "disabled; instruction 2",
        "enabled; instruction 2",
        "deactivated, nothing is asked",
        "activated, images from /front/image_raw; instruction 2",
    ):
        assert len(said(node, "[INFO]", line)) == 1, node.output
    assert len(said(node, "[INFO]", "absent:")) == 1
    assert all("/front/image_raw" in line for line in said(node, "[INFO]", "found: "))
    assert said(node, "[DEBUG]", "found: the mug", "seq 1, waited", "engine")
    assert not [line for line in said(node, "[DEBUG]") if "[grounding" not in line]
    for words in ("instruction 1: 'the mug'", "found: the mug"):
        wait_for("/rosout", lambda words=words: [log for log in list(rosout) if words in log.msg])
    assert {log.name for log in rosout if "found: the mug" in log.msg} == {"grounding"}


@pytest.mark.parametrize(
    ("settings", "values", "age", "words"),
    [
        (
            {"delay": 3.0},
            {"query_timeout": 0.3},
            0.0,
            ["stale, query_timeout", "of 0.3 s", "raise query_timeout", "on /front/image_raw"],
        ),
        (
            {"delay": 0.0},
            {"query_timeout": 2.0},
            60.0,
            ["stale, max_result_age", "(10 s): 6", "raise max_result_age", "on /front/image_raw"],
        ),
    ],
)
def test_what_is_stale_says_why_and_does_not_flood(
    stage: tuple[Any, Robot, list[Log]], engine: ScriptedEngine, settings: dict, values: dict, age: float, words: list
) -> None:
    node, robot, _ = stage
    engine.script(mode="found", delay=0.0)
    robot.set(**values)
    with robot.stream(10.0, lambda: image_message(stamp=time.time() - age)):
        robot.instruct(f"the box of {age}")
        engine.script(**settings)
        wait_for("the reason", lambda: said(node, "[WARN]", *words))
        robot.forget()
        wait_for("more of them", lambda: len([1 for each in robot.values() if each["outcome"] == "stale"]) > 5)
    engine.script(delay=0.0)
    assert len(said(node, "[WARN]", *words)) <= 3


def test_where_no_image_comes_the_clock_that_is_missing_is_named(engine: ScriptedEngine) -> None:
    node = start_node(
        OTHER_DOMAIN,
        "-r",
        "image:=/front/image_raw",
        model="scripted-qwen",
        engine_url=engine.url,
        use_sim_time=True,
        default_instruction="the mug",
        image_timeout=1.0,
    )
    try:
        words = ("no image on /front/image_raw", "nobody publishes there", "use_sim_time is set, but nothing comes on")
        wait_for("the cause", lambda: said(node, "[ERROR]", *words))
    finally:
        assert node.stop() == 0, node.output


def test_a_model_that_names_one_object_is_warned_of_once_where_several_are_asked_for(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "narrow", "visible")
    shutil.copy(resolve(EMBEDDED) / "domain.json", folder)
    write_info(folder, replace(load_info(folder), domain="domain.json"))
    node = start_node(OTHER_DOMAIN, model=str(folder), engine_command=COMMAND, max_objects=-1, max_rate=20.0)
    robot = Robot(OTHER_DOMAIN)
    try:
        wait_for("the engine", lambda: "the engine is ready" in node.output)
        with robot.stream(10.0):
            for instruction, warned in (("the mug", 0), ("the cups", 1), ("every mug", 1)):
                robot.forget()
                robot.instruct(instruction)
                wait_for("answers", lambda: len([1 for each in robot.values() if each["outcome"] == "found"]) > 2)
                assert len(said(node, "[WARN]", "several_untrained", "Qwen3-VL", "set max_objects to 1")) == warned
    finally:
        robot.close()
        assert node.stop() == 0, node.output
