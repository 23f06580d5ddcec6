"""An engine by its name as a launch argument: one command starts node and engine, and ends both."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import launches
import pytest
from launched import Start
from launches import wait_until
from named_engines import scripted_vllm
from running import folder_of

pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]


def test_one_command_starts_a_named_engine_and_ends_it(bench: Any, start: Start, mark: str, tmp_path: Path) -> None:
    model, python = folder_of(tmp_path / "model", "visible"), scripted_vllm(tmp_path / "environment")
    launched = start("grounding", f"model:={model}", "engine:=vllm", f"engine_python:={python}", "overlay:=false")
    bench.until(lambda: "the engine is ready: model: vllm server" in launched.output, 60)
    os.kill(launched.process.pid, signal.SIGINT)
    assert launched.ended(30) == 0, launched.output
    assert wait_until(lambda: not launches.processes_with(mark), 15), launches.processes_with(mark)


def test_a_name_that_is_none_is_refused_before_anything_starts(start: Start) -> None:
    launched = start("grounding", "engine:=vlm")
    assert launched.ended(60) == 1
    assert '"engine" provided value "vlm" is not valid' in launched.output
    assert "process started" not in launched.output
