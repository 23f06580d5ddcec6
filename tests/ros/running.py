"""Processes under test: nodes and scripted engines, what they said, and what they left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from processes import PATIENCE, descendants, wait_for

from egm_core.models.folder import ModelInfo, write_info

ENGINE = Path(__file__).with_name("scripted_engine.py")
ROOT = Path(__file__).resolve().parents[2]
COMMAND = f"{sys.executable} {ENGINE} --port {{port}} --model {{model}}"


def folder_of(folder: Path, *tasks: Any) -> Path:
    """Make a model folder with empty weights: the scripted engine needs none."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()
    write_info(folder, ModelInfo(folder.name, "qwen3_vl", tasks))
    return folder


def scripted(pid: int) -> list[int]:
    """List the scripted engines below a process."""

    def command(child: int) -> str:
        try:
            return Path(f"/proc/{child}/cmdline").read_text()
        except OSError:
            return ""

    commands = {child: command(child) for child in descendants(pid)}
    return [child for child, words in commands.items() if ENGINE.name in words and "supervise/guard" not in words]


def url_of(engine: int) -> str:
    """Give the URL at which a scripted engine listens."""
    words = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
    return f"http://127.0.0.1:{words[words.index('--port') + 1]}"


def counts(pid: int) -> tuple[int, int]:
    """Count a process's threads and open files."""
    return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))


class Process:
    """A child of the test whose output is kept; it gets an environment of its own domain."""

    # Those under way: a test that fails shows what they said.
    living: ClassVar[list[Process]] = []

    def __init__(self, command: list[str], domain: int, **environment: str) -> None:
        self.lines: list[str] = []
        self.command = shlex.join(command)
        self.living.append(self)
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "ROS_DOMAIN_ID": str(domain),
                "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                "PYTHONUNBUFFERED": "1",
                "PYTHONFAULTHANDLER": "1",
                "OMP_NUM_THREADS": "1",
                **environment,
            },
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        return self._process.wait(timeout)

    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        if self.running():
            self.signal(signal.SIGTERM)
            try:
                return self.wait(15.0)
            except subprocess.TimeoutExpired:
                # Python's fault handler writes where each thread is, whatever holds the interpreter.
                self.signal(signal.SIGABRT)
        return self.wait()

    @classmethod
    def said(cls) -> list[tuple[str, str]]:
        """Give the command of each process that this test still had, and what it said; they are forgotten then."""
        told = [(process.command, process.output) for process in cls.living]
        cls.living[:] = [process for process in cls.living if process.running()]
        return told

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)


class ScriptedEngine(Process):
    """The scripted server; port 0 is one of its own choice."""

    def __init__(self, domain: int, port: int = 0) -> None:
        super().__init__([sys.executable, str(ENGINE), "--port", str(port)], domain)
        line = wait_for("the scripted engine", lambda: next((x for x in self.lines if "listening" in x), None))
        self.url = line.split()[-1]

    def script(self, **settings: Any) -> None:
        request(f"{self.url}/script", settings)

    def stats(self) -> dict[str, Any]:
        return request(f"{self.url}/stats")


def request(url: str, body: Any = None) -> Any:
    """Get a page's JSON, or post a body to it."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10.0) as reply:
        return json.load(reply)


def start_node(
    domain: int, *arguments: str, environment: Mapping[str, str] | None = None, **parameters: Any
) -> Process:
    """Start a grounding node with these parameters, and with more in its environment.

    The scripted engine's name tells no family, so that its user has to say it, as with any name of one's own.
    """
    if parameters.get("model") == "scripted-qwen":
        parameters.setdefault("family", "qwen3_vl")
    values = [word for name, value in parameters.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
    command = [sys.executable, "-m", "egm_ros.grounding", "--ros-args", *values, *arguments]
    return Process(command, domain, **(environment or {}))


def until_stopped(node: Process) -> Iterator[Process]:
    """Give a node for a fixture to yield, then stop it; it must end in order and without a traceback."""
    yield node
    assert node.stop() == 0, node.output
    assert "Traceback" not in node.output, node.output
