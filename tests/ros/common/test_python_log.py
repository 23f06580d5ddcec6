"""What the core logs through Python, in the ROS log: in processes of their own, for both logs are a process's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")
pytestmark = pytest.mark.ros

NODE = """
import logging, sys, warnings
import rclpy
from rclpy.node import Node
from egm_ros.common.python_log import python_log
rclpy.init(args=sys.argv)
with python_log() as log:
    logging.getLogger("egm.engine").warning("before the node")
    node = Node("robot_eye", namespace="/front")
    log.belong_to(node)
    for name in ("egm.engine", "egm_core.streams.joining", "egm_ros.camera.bags", "urllib3.pool"):
        for level in ("debug", "info", "warning"):
            getattr(logging.getLogger(name), level)("%s of %s", level, name)
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("egm_core").exception("it failed")
    logging.getLogger("egm.engine").error("bad %d", "format")
    node.get_logger().debug("a word of the node")
    node.destroy_node()
logging.getLogger("egm.engine").warning("after it")
rclpy.shutdown()
"""


def run(domain: int, *levels: str) -> list[str]:
    """Give the lines that the process writes."""
    words = [word for level in levels for word in ("--log-level", level)]
    done = subprocess.run(
        [sys.executable, "-c", NODE, *(["--ros-args", *words] if words else [])],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
        check=True,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain)},
    )
    return (done.stdout + done.stderr).splitlines()


def count(lines: list[str], *words: str) -> int:
    return sum(all(word in line for word in words) for line in lines)


def test_each_word_of_the_core_comes_once_as_the_node_s(domain: int) -> None:
    lines = run(domain)
    for name in ("egm.engine", "egm_core.streams.joining", "egm_ros.camera.bags"):
        assert count(lines, f"warning of {name}") == 1, lines
        assert count(lines, "[WARN]", "[front.robot_eye]", f"]: warning of {name}") == 1, lines
        assert count(lines, "[INFO]", f"info of {name}") == 1
        assert not count(lines, f"debug of {name}")
    assert count(lines, "[WARN]", "[egm]", "before the node") == 1
    assert count(lines, "[ERROR]", "it failed") == 1
    assert count(lines, "ZeroDivisionError: division by zero") == 1
    assert count(lines, "after it") == 1
    assert not count(lines, "after it", "[WARN]")


def test_other_libraries_warn_under_their_name_and_do_not_chat(domain: int) -> None:
    lines = run(domain, "debug")
    assert count(lines, "[WARN]", "]: urllib3.pool: warning of urllib3.pool") == 1
    assert not count(lines, "info of urllib3.pool")


@pytest.mark.parametrize("level", ["egm:=debug", "front.robot_eye:=debug"])
def test_debug_is_raised_without_rcl_s_flood(domain: int, level: str) -> None:
    lines = run(domain, level)
    assert count(lines, "[DEBUG]", "debug of egm.engine") == 1, lines
    assert count(lines, "[DEBUG]", "a word of the node") == 1
    assert not [line for line in lines if "[DEBUG]" in line and "[front.robot_eye]" not in line]


def test_a_node_s_own_level_is_kept(domain: int) -> None:
    lines = run(domain, "egm:=debug", "front.robot_eye:=warn")
    assert not count(lines, "info of egm.engine")
    lines = run(domain, "egm:=error")
    assert not count(lines, "warning of egm.engine")
    assert count(lines, "[ERROR]", "it failed") == 1
