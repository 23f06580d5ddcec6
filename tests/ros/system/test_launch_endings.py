"""How a launch ends, and with whom: nodes that die, engines that cannot start, signals to the launch itself."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import launches
import pytest
from launched import NOWHERE, Start, names
from launches import wait_until
from running import COMMAND, folder_of

pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]


def pid_of(mark: str, executable: str) -> int:
    """Give the process id of a node's program, once it runs."""

    def found() -> list[int]:
        running = []
        for pid in launches.processes_with(mark):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(word.endswith(f"__node:={executable}".encode()) for word in words):
                running.append(pid)
        return running

    assert wait_until(found, 60)
    return found()[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_launch_ends_with_its_grounding_node(bench: Any, start: Start, mark: str, number: signal.Signals) -> None:
    launched = start("grounding", NOWHERE)
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    os.kill(pid_of(mark, "grounding"), number)
    assert launched.ended(20) == (1 if number == signal.SIGKILL else 0), launched.output
    if number == signal.SIGKILL:
        assert "the grounding node ended by signal 9, so the launch ends" in launched.output
    assert "Traceback" not in launched.output


def test_a_launch_that_ignores_the_end_goes_on(bench: Any, start: Start, mark: str) -> None:
    launched = start("grounding", NOWHERE, "on_exit:=ignore")
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    os.kill(pid_of(mark, "grounding"), signal.SIGKILL)
    assert wait_until(lambda: "process has died" in launched.output, 20)
    bench.holds(lambda: launched.process.poll() is None, 1.0)
    os.kill(pid_of(mark, "overlay"), 0)


def test_a_node_that_died_is_started_anew_where_that_is_asked_for(bench: Any, start: Start, mark: str) -> None:
    launched = start("grounding", NOWHERE, "respawn:=true")
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    first = pid_of(mark, "grounding")
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: launched.output.count("[grounding-1]: process started") == 2, 20), launched.output
    assert pid_of(mark, "grounding") != first
    assert launched.process.poll() is None


def test_a_node_that_refuses_its_parameters_is_not_started_anew(start: Start) -> None:
    launched = start("grounding", NOWHERE, "engine_command:=serve {port}", "respawn:=true")
    assert launched.ended(60) == 1
    assert "the grounding node ended with exit status 2" in launched.output
    assert launched.output.count("[grounding-1]: process started") == 1


def test_a_launch_without_an_engine_says_so_once_and_ends(start: Start) -> None:
    launched = start("grounding", "engine_python:=/bin/false")
    assert launched.ended(60) == 1
    assert launched.output.count("engine_python: '/bin/false' cannot be run") == 1
    assert "Traceback" not in launched.output


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that describes a model; the scripted server needs no more of it."""
    return folder_of(tmp_path / "model", "visible")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nodes_and_engine_end_with_a_launch_that_is_killed(
    bench: Any, start: Start, mark: str, model: Path, number: signal.Signals
) -> None:
    launched = start("grounding", f"model:={model}", f"engine_command:={COMMAND}", "propagate:=true")
    bench.until(lambda: "the engine is ready" in launched.output, 60)
    bench.until(lambda: {"/grounding", "/overlay", "/propagation"} <= names(bench), 60)
    os.kill(launched.process.pid, number)
    launched.ended(10)
    assert wait_until(lambda: not launches.processes_with(mark), 15), launches.processes_with(mark)


def test_an_interrupt_of_the_launch_alone_ends_it_at_once(bench: Any, start: Start, model: Path) -> None:
    launched = start("grounding", f"model:={model}", f"engine_command:={COMMAND}")
    bench.until(lambda: "the engine is ready" in launched.output, 60)
    began = time.monotonic()
    os.kill(launched.process.pid, signal.SIGINT)
    assert launched.ended(30) == 0, launched.output
    assert time.monotonic() - began < 5.0, launched.output
    assert "Traceback" not in launched.output and "SIGTERM" not in launched.output
