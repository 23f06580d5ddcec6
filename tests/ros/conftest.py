"""A bench for nodes on real DDS: a domain of its own for each test, an observer, and processes that end with it."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from domains import claim_domain

ROOT = Path(__file__).resolve().parents[2]
collect_ignore_glob = ["*test_*.py"] if importlib.util.find_spec("rclpy") is None else []


@pytest.fixture(scope="module", autouse=True)
def own_domains(request: pytest.FixtureRequest) -> Iterator[None]:
    """Claim a domain for each of DOMAIN and OTHER_DOMAIN that the test's module has."""
    locks = []
    for name in ("DOMAIN", "OTHER_DOMAIN"):
        if hasattr(request.module, name):
            number, lock = claim_domain()
            setattr(request.module, name, number)
            locks.append(lock)
    yield
    for lock in locks:
        lock.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """Add what the test's processes said to the report of a failure."""
    report = yield
    if call.when != "setup" or report.failed:
        from running import Process

        for command, output in Process.said():
            if report.failed:
                report.sections.append((f"what it said: {command}", output[-4000:]))
    return report


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Give the test, and every process it starts, a ROS domain of its own on this machine."""
    number, lock = claim_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield number
    lock.close()


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A scripted engine on the domain of the test's module."""
    from running import ScriptedEngine

    engine = ScriptedEngine(request.module.DOMAIN)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def running_robot(request: pytest.FixtureRequest, node: Any) -> Iterator[Any]:
    """A robot before the node of the test's module, once that is ready."""
    from robot import Robot

    robot = Robot(request.module.DOMAIN)
    robot.ready()
    yield robot
    robot.close()


class Bench:
    """An observer on the test's domain, and the processes under test."""

    def __init__(self, domain: int, folder: Path) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.domain, self.folder = domain, folder
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.node = rclpy.create_node("observer", context=self.context)
        self.executor.add_node(self.node)
        self.processes: list[subprocess.Popen[bytes]] = []

    def add(self, kind: Callable[..., Any], parameters: dict[str, Any] | None = None, **options: Any) -> Any:
        """Make a node in this process, with parameters, begun and spun together with the observer."""
        from rclpy.parameter import Parameter

        from egm_ros.common.nodes.base import BaseNode

        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]
        node = kind(context=self.context, parameter_overrides=overrides, **options)
        assert not isinstance(node, BaseNode) or node.begin()
        self.executor.add_node(node)
        return node

    def collect(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe, and return the list that fills while the bench spins."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def spin(self, seconds: float) -> None:
        """Spin for a while, to keep a pace; see `until` and `holds` for what is to be asserted."""
        self.until(lambda: False, seconds, fail=False)

    def holds(self, condition: Callable[[], Any], seconds: float = 0.3) -> None:
        """Spin for a while, and fail once the condition does not hold: for what must not come.

        It proves nothing unless something else has shown before that what must not come had its time to come.
        """
        if self.until(lambda: not condition(), seconds, fail=False):
            pytest.fail(f"did not hold for {seconds} s; the processes said:\n{self.output()}")

    def until(self, condition: Callable[[], Any], timeout: float = 20.0, fail: bool = True) -> bool:
        """Spin until the condition holds; fail the test, showing the processes' output, where it never does."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if condition():
                return True
            self.executor.spin_once(timeout_sec=0.05)
        if fail and not condition():
            pytest.fail(f"did not come true in {timeout} s; the processes said:\n{self.output()}")
        return bool(condition())

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `python -m module` on this domain."""
        log = open(self.folder / f"{len(self.processes)}_{module}.log", "wb")
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        return process

    def output(self) -> str:
        """What the started processes have printed so far."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')}" for log in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        """End every process and the observer."""
        import rclpy

        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for node in self.executor.get_nodes():
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def bench(domain: int, tmp_path: Path) -> Iterator[Bench]:
    """Give an observer on a domain of its own; see Bench."""
    made = Bench(domain, tmp_path)
    yield made
    made.close()
