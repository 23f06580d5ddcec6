"""The example of a behaviour tree: a leaf that runs, succeeds, fails, and is halted, before the real node."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from domains import UNCLAIMED
from processes import wait_for
from running import ROOT, start_node, until_stopped

pytestmark = pytest.mark.ros

DOMAIN = OTHER_DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def node(engine: Any) -> Any:
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, force_amodal=True, image_timeout=3600.0)
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot: Any, engine: Any) -> Any:
    engine.script(mode="found", delay=0.0)
    return running_robot


def ticked(*words: str, domain: int = 0) -> tuple[int, list[str]]:
    """Run the example; gives its exit status and its lines without their times."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    command = [sys.executable, "examples/behaviour_tree.py", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [line.partition(" s  ")[2] or line for line in done.stdout.splitlines()]


def test_it_runs_until_the_box_is_there(robot: Any) -> None:
    with robot.stream(5.0):
        code, lines = ticked("the red mug", domain=DOMAIN)
    assert code == 0, lines
    assert lines[0].startswith("RUNNING")
    assert "SUCCESS  found" in lines
    assert lines[-1].startswith("'the red mug' around (")


def test_it_fails_with_what_the_node_says(robot: Any, engine: Any) -> None:
    engine.script(mode="absent")
    with robot.stream(5.0):
        code, lines = ticked("the unicorn", domain=DOMAIN)
    assert code == 1
    assert lines[-1] == "FAILURE  absent  nothing in the image fits: the unicorn"
    assert ticked("the mug", "--camera", "left", domain=DOMAIN)[1][-1].startswith("FAILURE  error unknown_camera")


def test_halted_it_has_the_engine_abort(robot: Any, engine: Any) -> None:
    engine.script(mode="silent")
    aborted = engine.stats()["aborted"]
    with robot.stream(5.0):
        code, lines = ticked("the mug", "--give-up", "8", domain=DOMAIN)
    assert (code, lines[-1]) == (1, "halted")
    assert "RUNNING  asking" in lines
    wait_for("the abort", lambda: engine.stats()["aborted"] > aborted and engine.stats()["running"] == 0)
