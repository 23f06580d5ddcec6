"""The engine's process: a server that the node starts as its child, watches and ends."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import egm_core

GUARD = Path(__file__).with_name("guard.py")
GRACE = 3.0


def free_port() -> int:
    """Find a TCP port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spelt(template: str, model: str, port: int) -> list[str]:
    """Spell out a command of the user's that serves a model on a port."""
    return [word.replace("{model}", model).replace("{port}", str(port)) for word in shlex.split(template)]


def server_environment(
    python: str, environment: Mapping[str, str], own: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Give the child the node's environment; the same interpreter also gets the node's own egm_core.

    `own` is what the engine wants set; what the user has set himself holds.
    """
    child = {**(own or {}), **environment}
    if not python:
        home = str(Path(egm_core.__file__).resolve().parent.parent)
        child["PYTHONPATH"] = os.pathsep.join(filter(None, (home, child.get("PYTHONPATH", ""))))
    child["PYTHONUNBUFFERED"] = "1"
    return child


class EngineProcess:
    """A running server; it ends when `stop` is called, and when this process ends in any way.

    `log` gets every line that the server prints; the last few are kept in `tail`, to say why it died. `grace` is how
    many seconds the server may take to end by itself.
    """

    def __init__(
        self, command: list[str], environment: Mapping[str, str], log: Callable[[str], None], grace: float = GRACE
    ) -> None:
        self.command = command
        self.tail: deque[str] = deque(maxlen=15)
        self._log = log
        self._process = subprocess.Popen(
            # -S skips the site modules: the guard needs none of them.
            [sys.executable, "-S", str(GUARD), str(grace), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="engine-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the guard; the server is its child."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, 128 + n for signal n; None while the server runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait for the end and return the exit status; None if the server still runs then."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def obituary(self) -> str:
        """Say how the server ended, with the last of what it printed."""
        self._reader.join(0.5)
        status = self.poll() or 0
        end = f"by signal {status - 128}" if status > 128 else f"with exit status {status}"
        return f"{Path(self.command[0]).name} ended {end}" + "".join(f"\n  {line}" for line in self.tail)

    def stop(self, timeout: float = 6.0) -> None:
        """End the server and everything that it started; blocks until they are gone, at most `timeout` seconds."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        if self.wait(timeout) is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(1.0)
        if self._process.stdout and not self._reader.is_alive():
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            # Of a progress bar, which redraws its line, only the last state is of use.
            line = raw.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]
            if line:
                self.tail.append(line)
                self._log(line)
