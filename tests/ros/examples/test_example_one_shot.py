"""The example of a task planner: it sets the instruction, asks once, and prints the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from robot import Robot
from running import ROOT, start_node, until_stopped

pytestmark = pytest.mark.ros

DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def robot(engine: Any) -> Any:
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, max_rate=0.5, force_amodal=True)
    robot = Robot(DOMAIN)
    robot.ready()
    yield robot
    robot.close()
    list(until_stopped(node))


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    command = [sys.executable, "examples/one_shot.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)


def test_it_prints_both_boxes(robot: Any, engine: Any) -> None:
    engine.script(mode="found", delay=0.0)
    with robot.stream(5.0):
        said = ask("the", "red", "mug")
    assert said.returncode == 0, said.stdout + said.stderr
    assert ": found, visible [" in said.stdout and ", whole [" in said.stdout


def test_it_ends_with_one_and_the_reason_where_nothing_can_be_answered(robot: Any, engine: Any) -> None:
    engine.script(mode="error500", delay=0.0)
    with robot.stream(5.0):
        said = ask("the", "blue", "mug")
    assert said.returncode == 1, said.stdout + said.stderr
    assert ": error engine_" in said.stdout
    assert "Traceback" not in said.stderr
