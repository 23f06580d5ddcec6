"""Thinking, Instruct and hybrid templates on vLLM, with and without its reasoning parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ABSENT, AMODAL_BOX, FOUND, TRACES, VISIBLE_BOX
from numpy.typing import NDArray
from server import MARKS, serving

from egm_core.boxes import to_pixels
from egm_core.engines import Request, Sampling, collect
from egm_core.engines.openai import OpenAIEngine
from egm_core.families.thinking import Thinking
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info
from egm_core.supervise.process import free_port

pytestmark = MARKS
SORTS = {
    "memorising_qwen": Thinking("open", "open"),
    "memorising_instruct": Thinking("plain", "plain"),
    "memorising_hybrid": Thinking("open", "shut", "enable_thinking"),
}
VISIBLE_TRACE = TRACES[FOUND, "visible"]
CASES = [(sort, parser) for sort in SORTS for parser in ((), ("--reasoning-parser", "qwen3"))]


@pytest.fixture(scope="module")
def port() -> int:
    """The port of all servers, one after the other, as of a server that is restarted with another model."""
    return free_port()


@pytest.fixture(scope="module")
def robot(port: int) -> Iterator[OpenAIEngine]:
    """A client that was there before the first server, and stays while they change."""
    with OpenAIEngine(f"http://127.0.0.1:{port}") as engine:
        assert engine.health().state == "starting"
        yield engine


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}{'-parser' if case[1] else ''}")
def served(
    request: pytest.FixtureRequest, robot: OpenAIEngine, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OpenAIEngine, Path, str]]:
    sort, parser = request.param
    folder = request.getfixturevalue(sort)
    with serving(folder, tmp_path_factory.mktemp("vllm"), *parser, port=port) as engine:
        yield engine, folder, sort
    assert robot.health().state == "starting"


def test_the_server_tells_how_answers_begin(served: tuple[OpenAIEngine, Path, str]) -> None:
    engine, _, sort = served
    assert engine.thinking() == SORTS[sort]


def test_a_client_that_stays_asks_the_model_that_is_there_now(
    served: tuple[OpenAIEngine, Path, str], robot: OpenAIEngine, noise: NDArray[np.uint8]
) -> None:
    engine, folder, sort = served
    assert (robot.health().state, robot.health().model) == ("ready", str(folder))
    assert robot.thinking() == SORTS[sort]
    request = Request("now", noise, load_info(folder).prompt(FOUND, "visible"), Sampling(max_tokens=64))
    found, other = collect(robot.generate(request)), collect(engine.generate(request))
    assert found.text == other.text
    assert (VISIBLE_TRACE in found.text) == (sort != "memorising_instruct")


def test_grammars_hold_from_the_first_token_where_no_reasoning_is_wanted(
    served: tuple[OpenAIEngine, Path, str], noise: NDArray[np.uint8]
) -> None:
    engine, _, sort = served
    shut = {"template": SORTS[sort].arguments(False), "reasoning": False}
    # A thought that the template always opens has to be ended by the grammar: a parser takes all else for a thought.
    opened = SORTS[sort].unwanted == "open"
    regex = f"{'</think>' if opened else ''}(yes|no), [0-9]{{2}}!"
    request = Request("x", noise, "x", Sampling(max_tokens=32), regex=regex, **shut)
    assert re.fullmatch("(</think>)?(yes|no), [0-9]{2}!", collect(engine.generate(request)).text)
    if opened:
        return
    schema = {"type": "integer", "minimum": 3, "maximum": 5}
    request = Request("x", noise, "x", Sampling(max_tokens=32), json_schema=schema, **shut)
    assert collect(engine.generate(request)).text.strip() in ("3", "4", "5")


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
