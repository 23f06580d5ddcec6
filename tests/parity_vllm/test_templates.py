"""Thinking, Instruct and hybrid templates on vLLM, with and without its reasoning parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ABSENT, AMODAL_BOX, FOUND, VISIBLE_BOX
from numpy.typing import NDArray
from server import MARKS, serving

from egm_core.boxes import to_pixels
from egm_core.engines.openai import OpenAIEngine
from egm_core.families.thinking import Thinking
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info

pytestmark = MARKS
SORTS = {
    "memorising_qwen": Thinking("open", "open"),
    "memorising_instruct": Thinking("plain", "plain"),
    "memorising_hybrid": Thinking("open", "shut", "enable_thinking"),
}
CASES = [(sort, parser) for sort in SORTS for parser in ((), ("--reasoning-parser", "qwen3"))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}{'-parser' if case[1] else ''}")
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OpenAIEngine, Path, str]]:
    sort, parser = request.param
    folder = request.getfixturevalue(sort)
    with serving(folder, tmp_path_factory.mktemp("vllm"), *parser) as engine:
        yield engine, folder, sort


def test_the_server_tells_how_answers_begin(served: tuple[OpenAIEngine, Path, str]) -> None:
    engine, _, sort = served
    assert engine.thinking() == SORTS[sort]


@pytest.mark.parametrize("known", ["folder", "server"])
@pytest.mark.parametrize("reasoning", [True, False])
def test_answers_come_whole_with_reasoning_and_without(
    served: tuple[OpenAIEngine, Path, str], noise: NDArray[np.uint8], reasoning: bool, known: str
) -> None:
    engine, folder, sort = served
    info = load_info(folder)
    if known == "server":
        info = replace(info, path=None, thinking=None)
    grounder = Grounder(engine, info, reasoning=reasoning)
    height, width = noise.shape[:2]
    try:
        found = grounder.ground(noise, FOUND)
        assert (found.outcome, found.detail) == ("found", ""), found.raw_visible
        assert found.visible == pytest.approx(to_pixels(VISIBLE_BOX, width, height))
        assert found.amodal == pytest.approx(to_pixels(AMODAL_BOX, width, height))
        assert bool(found.reasoning.strip()) == (reasoning and sort != "memorising_instruct"), found.raw_visible
        assert not any("reasoning_not_forbidden" in warning for warning in found.warnings)
        assert grounder.ground(noise, ABSENT).outcome == "absent"
    finally:
        grounder.close()
