"""Starts the launch files: over the stand-in, and over the real `ros2 launch` from a colcon workspace."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STANDIN = ROOT / "tests" / "ros" / "standin" / "ros2.py"
SOURCED = 'source install/local_setup.bash && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && exec ros2 "$@"'
BUILT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", "install", "log", "out", "runs", "tests")


def lacking() -> str:
    """Name what is missing for the real launch; all of it comes with a ROS installation."""
    tools = [name for name in ("ros2", "colcon") if shutil.which(name) is None]
    packages = [name for name in ("launch", "launch_ros") if not installed_elsewhere(name)]
    return ", ".join(tools + packages)


def installed_elsewhere(name: str) -> bool:
    """Say whether a package is there, leaving out this checkout's folder of the same name."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def build(folder: Path, *options: str) -> Path:
    """Make a workspace with this package, built by colcon."""
    shutil.copytree(ROOT, folder / "src" / "egm_ros", ignore=BUILT)
    done = subprocess.run(["colcon", "build", *options], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Launch:
    """A running launch, in a session of its own, without a terminal."""

    def __init__(self, workspace: Path | None, log: Path, file: str, *words: str) -> None:
        arguments = ["launch", "egm_ros", file, *words]
        command = ["bash", "-c", SOURCED, "ros2", *arguments] if workspace else [sys.executable, STANDIN, *arguments]
        self._log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=workspace or ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What was printed so far."""
        return self._log.read_text(errors="replace")

    def ended(self, seconds: float) -> int:
        """Wait for the end and give the exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the launch still runs after {seconds} s:\n{self.output}") from None

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal tells all of its processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> None:
        """End what still runs, by force after a while."""
        if self.process.poll() is None:
            self.interrupt()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def processes_with(word: str) -> list[int]:
    """List the processes that have a word in their environment; those of one test, by its domain."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if word.encode() in environment and not ended:
                found.append(int(folder.name))
    return found


def wait_until(condition: Callable[[], Any], seconds: float) -> bool:
    """Wait for a condition without spinning anything."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())
