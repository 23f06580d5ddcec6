"""What is heard of an engine: how long its answers take, also those that nobody needs to their end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import FOUND
from numpy.typing import NDArray

from egm_core.engines import Request, Sampling
from egm_core.engines.local import TransformersEngine
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info
from egm_core.supervise.ear import EngineEar


@pytest.mark.parametrize("stop", [False, True])
def test_an_answer_that_ends_with_its_box_tells_how_long_answers_take(
    memorising_qwen: Path, noise: NDArray[np.uint8], stop: bool
) -> None:
    ear = EngineEar(TransformersEngine(memorising_qwen, threads=1), patience=30.0)
    with ear:
        ear.wait_ready(120)
        grounder = Grounder(ear, replace(load_info(memorising_qwen), stop_at_box=stop), tasks=("visible",))
        began = time.monotonic()
        assert grounder.ground(noise, FOUND).outcome == "found"
        assert 0 < ear.longest < time.monotonic() - began
        grounder.close()
        before = ear.longest
        unheard = ear.generate(Request("unheard", noise, "x", Sampling(max_tokens=2)))
        unheard.close()
        assert ear.longest == before and ear.unanswered() == 0
