"""vLLM by its name: the very command that `engine:=vllm` runs, on a processor, and an answer to our question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoints import FOUND
from server import IN_ITS_ENVIRONMENT, MARKS, PYTHON

from egm_core.engines.openai import OpenAIEngine
from egm_core.grounder.grounder import Grounder
from egm_core.supervise.plan import startable
from egm_core.supervise.settings import EngineSettings
from egm_core.supervise.started import started

pytestmark = MARKS


def test_the_command_that_we_run_serves_and_grounds(memorising_qwen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IN_ITS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    settings = EngineSettings(
        str(memorising_qwen), engine="vllm", engine_python=PYTHON, engine_precision="float32", engine_api_key_env=""
    )
    with started(startable(settings), print) as (running,):
        plan = running.plan
        with OpenAIEngine(running.url, plan.served, "", plan.dialect) as engine:
            assert (engine.kind(), engine.health().model) == ("vllm", memorising_qwen.name)
            assert plan.info is not None
            grounder = Grounder(engine, plan.info, tasks=("visible",))
            try:
                found = grounder.ground(np.zeros((96, 128, 3), np.uint8), FOUND, timeout=120)
            finally:
                grounder.close()
    assert found.outcome == "found" and found.score_available, found
