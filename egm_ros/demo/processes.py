"""The demonstration's processes: each with its log, none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from egm_core.console import attempt

TAIL = 2000
PATIENCE = 8.0


class ProcessDied(RuntimeError):
    """A process ended that should not have; the message has the end of its log."""


class Processes:
    """Starts Python modules as processes, watches them, and ends them all."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start `python -m module` under a name; its output goes to <name>.log."""
        with open(self._logs / f"{name}.log", "wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # A group of its own, for the end by force, in this session: so a node ends with the demonstration.
                preexec_fn=os.setpgrp,
            )

    def check(self) -> None:
        """Raise ProcessDied if one has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                end = (self._logs / f"{name}.log").read_text(errors="replace")[-TAIL:].strip()
                raise ProcessDied(f"{name} ended with status {process.returncode}; the end of its log:\n{end}")

    def stop(self, *names: str) -> None:
        """End the named processes, or all: politely first, then with their children by force."""
        ending = {name: self._running.pop(name) for name in names or tuple(self._running)}
        for process in ending.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        for process in ending.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def concluded(act: Callable[[], None]) -> int:
    """Act on a ROS domain of this process's own, and give the exit status.

    The domain keeps other robots in the same network apart, unless ROS_DOMAIN_ID is set.
    """
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    return attempt(act)
