"""A node ends with the process that started it, quietly, and at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [
    pytest.mark.ros,
    pytest.mark.clock,
    pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc"),
]

STARTER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "egm_ros.overlay"], start_new_session=len(sys.argv) > 1)
print(child.pid, flush=True)
child.wait()
"""

DEMONSTRATION = """
import sys, time
from pathlib import Path
from egm_ros.demo.processes import Processes
processes = Processes(Path(sys.argv[1]))
processes.start("overlay", "egm_ros.overlay")
print(processes._running["overlay"].pid, flush=True)
time.sleep(100)
"""


def running(pid: int) -> bool:
    """Say whether a process runs: neither gone nor waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def started(*command: str) -> tuple[subprocess.Popen[str], int]:
    """Start a process that starts a node, in a session of its own; gives it and the node's process id."""
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_ends_with_its_parent(bench: Any, number: signal.Signals) -> None:
    parent, node = started(sys.executable, "-c", STARTER)
    bench.until(lambda: "overlay" in bench.node.get_node_names())
    parent.send_signal(number)
    parent.wait()
    assert wait(lambda: not running(node), 10.0)


def test_a_node_ends_with_the_demonstration_that_is_killed(bench: Any) -> None:
    parent, node = started(sys.executable, "-c", DEMONSTRATION, str(bench.folder))
    bench.until(lambda: "overlay" in bench.node.get_node_names())
    parent.kill()
    parent.wait()
    assert wait(lambda: not running(node), 10.0)


def test_a_node_whose_parent_ends_while_it_is_imported_ends_too(domain: int) -> None:
    parent, node = started(sys.executable, "-c", STARTER)
    assert wait(lambda: "egm_ros.overlay" in Path(f"/proc/{node}/cmdline").read_text(), 10.0)
    assert wait(lambda: "cv2" in Path(f"/proc/{node}/maps").read_text(), 30.0)
    parent.kill()
    parent.wait()
    assert wait(lambda: not running(node), 30.0)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["bash", "-c", f"{sys.executable} -m egm_ros.overlay > /dev/null & echo $!"], id="shell"),
        pytest.param([sys.executable, "-c", STARTER, "session"], id="session"),
    ],
)
def test_a_node_that_was_left_behind_on_purpose_lives_on(bench: Any, command: list[str]) -> None:
    parent, node = started(*command)
    try:
        bench.until(lambda: "overlay" in bench.node.get_node_names())
        parent.kill()
        parent.wait()
        bench.holds(lambda: running(node), 2.0)
    finally:
        os.kill(node, signal.SIGINT)
    assert wait(lambda: not running(node), 10.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mapped", ["_multiarray_umath", "cv2", "_rclpy_pybind11"])
@pytest.mark.parametrize("module", ["grounding", "overlay"])
def test_a_signal_during_the_imports_ends_quietly(bench: Any, module: str, mapped: str, number: signal.Signals) -> None:
    process = bench.start(f"egm_ros.{module}")
    assert wait(lambda: mapped in Path(f"/proc/{process.pid}/maps").read_text(), 30.0)
    process.send_signal(number)
    assert process.wait(20) == 0, bench.output()
    assert "Traceback" not in bench.output()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-r", "image"], "remap rule: '-r image'"),
        (["-r", "image:=/bad topic"], "remap rule: '-r image:=/bad topic'"),
        (["-r", "__ns:=/a//b"], "remap rule: '-r __ns:=/a//b'"),
        (["--params-file", "/nowhere.yaml"], "params file: '--params-file /nowhere.yaml'"),
        (["--log-level", "loud"], "log level: '--log-level loud'"),
        (["--nonsense"], "--nonsense"),
        (["-p", "transprt:=raw"], "transprt: there is no such parameter; did you mean transport?"),
    ],
)
@pytest.mark.parametrize("module", ["grounding", "overlay"])
def test_bad_arguments_are_refused_in_one_line(bench: Any, module: str, words: list[str], said: str) -> None:
    process = bench.start(f"egm_ros.{module}", "--ros-args", *words)
    assert process.wait(20) == 2, bench.output()
    assert said in bench.output()
    assert "Traceback" not in bench.output()
