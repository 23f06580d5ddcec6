"""The example of a behaviour tree: a leaf that runs, succeeds, fails, and is halted, before the real node."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

import rclpy
from domains import UNCLAIMED
from egm_msgs.action import Ground
from processes import wait_for
from rclpy.action import ActionServer
from rclpy.executors import SingleThreadedExecutor
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


@pytest.fixture
def lone(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, rclpy.Context, Any]]:
    """The example's module with little patience, and a node on a domain where nothing else runs."""
    spec = importlib.util.spec_from_file_location("behaviour_tree", ROOT / "examples/behaviour_tree.py")
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "PATIENCE", 1.5)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=OTHER_DOMAIN)
    node = rclpy.create_node("tree", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    yield example, context, node
    executor.shutdown()
    spinning.join(10)
    node.destroy_node()
    rclpy.shutdown(context=context)


def ended(leaf: Any, running: Any) -> Any:
    """Tick a leaf until it runs no more, and give its status."""
    until = time.monotonic() + 20
    while (status := leaf.tick()) is running and time.monotonic() < until:
        time.sleep(0.02)
    return status


def test_without_a_node_it_says_so_and_fails(lone: Any) -> None:
    example, _, tree = lone
    leaf = example.Ground(tree, "the red mug")
    assert leaf.tick() is example.Status.RUNNING and "still looking" in leaf.said
    assert ended(leaf, example.Status.RUNNING) is example.Status.FAILURE
    assert leaf.said.startswith("there is no ~/ground: does the node run")


def test_a_goal_that_is_not_taken_fails_and_the_next_tick_sends_it_anew(lone: Any) -> None:
    example, context, tree = lone
    asked: list[str] = []

    def answer(goal: Any) -> Any:
        asked.append(goal.request.instruction)
        goal.succeed()
        return Ground.Result(outcome=Ground.Result.FOUND)

    # A server that everybody sees and that does not work, as a node whose executor hangs.
    deaf = rclpy.create_node("grounding", context=context)
    server = ActionServer(deaf, Ground, "grounding/ground", answer)
    leaf = example.Ground(tree, "the red mug")
    began = time.monotonic()
    assert ended(leaf, example.Status.RUNNING) is example.Status.FAILURE
    assert leaf.said == "the node does not take the goal"
    assert time.monotonic() - began > 1.5 and not asked
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(deaf)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    assert ended(leaf, example.Status.RUNNING) is example.Status.SUCCESS
    assert leaf.result.outcome == Ground.Result.FOUND and set(asked) == {"the red mug"}
    executor.shutdown()
    spinning.join(10)
    server.destroy()
    deaf.destroy_node()
