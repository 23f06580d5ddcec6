"""The node's command of containers/compose.node.yaml starts before its engine, and finds it when that comes."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from launched import Start, names
from running import ENGINE

pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
MODEL = "nvidia/EGM-8B"


def words(port: int) -> list[str]:
    """Give the launch arguments, with their defaults but for the engine's port."""
    service = yaml.safe_load((ROOT / "containers" / "compose.node.yaml").read_text())["services"]["node"]
    values = {"EGM_ENGINE_URL:-http://127.0.0.1:8000": f"http://127.0.0.1:{port}", "EGM_MODEL:-nvidia/EGM-8B": MODEL,
              "EGM_CAMERA:-/camera/image_raw": "/camera/image_raw", "EGM_INSTRUCTION:- ": " "}  # fmt: skip
    found = []
    for word in service["command"][4:]:
        for variable, value in values.items():
            word = word.replace("${" + variable + "}", value)
        found.append(word)
    assert not [word for word in found if "$" in word]
    return found


def test_the_nodes_of_the_container_wait_for_their_engine(bench: Any, start: Start) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launched = start("grounding", *words(port))
    bench.until(lambda: {"/grounding", "/propagation", "/overlay"} <= names(bench), 60)
    assert "the engine is ready" not in launched.output
    engine = subprocess.Popen([sys.executable, ENGINE, "--port", str(port), "--model", MODEL])
    try:
        bench.until(lambda: f"the engine is ready: {MODEL}" in launched.output, 60)
    finally:
        engine.kill()
        engine.wait()
    assert launched.process.poll() is None, launched.output
