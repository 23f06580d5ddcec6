"""Starts TensorRT Edge-LLM's own server around a scripted model, and ends it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from egm_core.engines.openai import OpenAIEngine

PYTHON = os.environ.get("EGM_EDGELLM_PYTHON", "")
MARKS = [
    pytest.mark.skipif(not PYTHON, reason="EGM_EDGELLM_PYTHON names no environment with it: run make test-edgellm"),
    pytest.mark.timeout(300),
]
PROGRAM = Path(__file__).with_name("scripted_runtime.py")


@dataclass(frozen=True)
class Served:
    """A server that is ready: an engine that asks it, its address, and what its native runtime got."""

    engine: OpenAIEngine
    url: str
    folder: Path

    def got(self) -> dict[str, Any]:
        """Give the fields of the last request, as the native runtime got them."""
        found: dict[str, Any] = json.loads((self.folder / "requests.jsonl").read_text().splitlines()[-1])
        return found


@contextmanager
def serving(folder: Path, parser: str) -> Iterator[Served]:
    """Run the server with a reasoning parser; `folder` takes its log and its requests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    log = folder / "server.log"
    command = [PYTHON, str(PROGRAM), str(port), str(folder), parser]
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    began = time.monotonic()
    try:
        with OpenAIEngine(f"http://127.0.0.1:{port}") as engine:
            while engine.health().state != "ready":
                assert process.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() - began < 120, log.read_text()[-4000:]
                time.sleep(0.2)
            yield Served(engine, f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(timeout=30)
