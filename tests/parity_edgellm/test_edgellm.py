"""Our client against TensorRT Edge-LLM's own server: what it takes, what it answers, and what it answers wrongly.

Needs an environment with its wheel, whose Python `EGM_EDGELLM_PYTHON` names; `make test-edgellm` builds one.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from edgellm_server import MARKS, PYTHON, Served, serving

from egm_core.engines import EngineError, Request, Sampling, collect
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import ModelInfo
from egm_core.servers.known import SERVERS
from egm_core.servers.named import Order

pytestmark = MARKS
IMAGE = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
ANSWER = '{"bbox_2d": [100, 200, 300, 400]}'
DIRECT: dict[str, Any] = {"reasoning": False, "template": {"enable_thinking": False}}
SCHEMA = {"type": "object", "properties": {"bbox_2d": {"type": "array"}}}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server as our command line starts it: thoughts stay in the text."""
    with serving(tmp_path_factory.mktemp("edge"), "none") as served:
        yield served


@pytest.fixture(scope="module")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server as it is started by itself: it takes thoughts out of the text."""
    with serving(tmp_path_factory.mktemp("parsing"), "qwen3") as served:
        yield served


def test_it_is_known_by_its_list_of_models(edge: Served) -> None:
    health = edge.engine.health()
    assert (health.state, health.model, edge.engine.dialect) == ("ready", "EGM-4B", "edgellm")
    assert edge.engine.grammar() == "accepted"


def test_a_picture_and_a_prompt_arrive_with_greedy_sampling(edge: Served) -> None:
    found = collect(edge.engine.generate(Request("a", IMAGE, "the mug", Sampling(max_tokens=77), **DIRECT)))
    assert (found.text, found.finish) == (ANSWER, "stop")
    got = edge.got()
    assert (got["prompt"], got["kinds"]) == ("the mug", ["image_url", "text"])
    assert (got["temperature"], got["top_k"], got["top_p"], got["max_generate_length"]) == (0, 1, 1, 77)


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        (Sampling(temperature=0.7, top_k=20, top_p=0.9), (0.7, 20, 0.9)),
        (Sampling(temperature=0.7, top_k=0, top_p=0.9), (0.7, 0, 0.9)),
        # 1 would make it greedy, and its sampler throws where there is no limit at all.
        (Sampling(temperature=0.7, top_k=0, seed=-1), (0.7, 0, 0.9999)),
    ],
)
def test_sampling_is_drawn_as_it_was_asked_for(edge: Served, sampling: Sampling, told: tuple[float, ...]) -> None:
    collect(edge.engine.generate(Request("a", IMAGE, "the mug", sampling, **DIRECT)))
    got = edge.got()
    assert (got["temperature"], got["top_k"], got["top_p"]) == told


@pytest.mark.parametrize(
    ("fields", "guided"),
    [
        ({"regex": "[0-9]+"}, ["REGEX", "[0-9]+"]),
        ({"json_schema": SCHEMA}, ["JSON_SCHEMA", '{"properties": {"bbox_2d": {"type": "array"}}, "type": "object"}']),
    ],
)
def test_grammars_reach_the_runtime(edge: Served, fields: dict[str, Any], guided: list[str]) -> None:
    collect(edge.engine.generate(Request("a", IMAGE, "the mug", **DIRECT, **fields)))
    assert edge.got()["guided"] == guided


@pytest.mark.parametrize("which", ["edge", "parsing"])
def test_thoughts_are_asked_for_and_stay_in_the_text(which: str, request: pytest.FixtureRequest) -> None:
    served: Served = request.getfixturevalue(which)
    found = collect(served.engine.generate(Request("a", IMAGE, "the mug")))
    assert found.text == f"<think>it is the the mug</think>{ANSWER}"
    assert served.got()["enable_thinking"] is True
    assert "".join(token.text for token in found.tokens) == found.text
    collect(served.engine.generate(Request("a", IMAGE, "the mug", **DIRECT)))
    assert served.got()["enable_thinking"] is False


def test_an_unlikely_token_keeps_its_probability_and_one_that_is_not_told_costs_only_itself(edge: Served) -> None:
    unlikely = collect(edge.engine.generate(Request("a", IMAGE, "unlikely mug", **DIRECT)))
    assert [token.logprob for token in unlikely.tokens] == [-0.25] * 8
    # Below the fiftieth it gives no token and null: the text is whole, and the others have theirs.
    never = collect(edge.engine.generate(Request("a", IMAGE, "never mug", **DIRECT)))
    assert never.text == ANSWER
    assert [(token.text, token.logprob) for token in never.tokens if token.logprob is None] == [("100, ", None)]


def test_without_scores_none_are_asked_for(edge: Served) -> None:
    collect(edge.engine.generate(Request("a", IMAGE, "the mug", logprobs=False, **DIRECT)))
    assert edge.got()["num_logprobs"] == 0


@pytest.mark.parametrize(("word", "finish"), [("long", "length"), ("cancelled", "abort")])
def test_an_answer_that_is_not_whole_does_not_pass_for_one(edge: Served, word: str, finish: str) -> None:
    assert collect(edge.engine.generate(Request("a", IMAGE, f"{word} mug", **DIRECT))).finish == finish


def test_a_failure_in_the_runtime_is_an_error(edge: Served) -> None:
    with pytest.raises(EngineError, match="finish_reason 'error'"):
        collect(edge.engine.generate(Request("a", IMAGE, "broken mug", **DIRECT)))


def test_a_stream_that_ends_early_says_stop_and_its_half_is_not_taken_for_a_box(edge: Served) -> None:
    half = collect(edge.engine.generate(Request("a", IMAGE, "vanishing mug", **DIRECT)))
    assert (half.text, half.finish) == ('{"bbox_2d": [', "stop")
    info = ModelInfo("EGM-4B", "qwen3_vl")
    with_grounder = Grounder(edge.engine, info, tasks=("visible",), reasoning=False)
    try:
        assert with_grounder.ground(IMAGE, "vanishing mug").outcome == "error"
    finally:
        with_grounder.close()


def test_a_wrong_model_and_a_penalty_are_refused_by_name(edge: Served) -> None:
    answer = httpx.post(f"{edge.url}/v1/chat/completions", json={"model": "other", "messages": [{"role": "user"}]})
    assert answer.status_code == 404 and "not served" in answer.text
    with pytest.raises(EngineError, match="edgellm knows no repetition penalty"):
        collect(edge.engine.generate(Request("a", IMAGE, "the mug", Sampling(repetition_penalty=1.1))))


def test_two_questions_queue_and_a_closed_connection_frees_the_slot(edge: Served) -> None:
    began = time.monotonic()
    slow = edge.engine.generate(Request("slow", IMAGE, "slow mug", **DIRECT))
    next(slow)
    done: list[float] = []
    other = threading.Thread(
        target=lambda: done.append(
            collect(edge.engine.generate(Request("b", IMAGE, "the mug", **DIRECT))) and time.monotonic() - began
        )
    )
    other.start()
    time.sleep(0.5)
    # The blocking runtime has one slot: the second question waits for the first.
    assert not done and httpx.get(f"{edge.url}/health").json()["queued_requests"] == 1
    edge.engine.abort("slow")
    other.join(10)
    assert done and httpx.get(f"{edge.url}/health").json()["active_requests"] == 0


def test_the_grounder_grounds_with_it(edge: Served) -> None:
    info = ModelInfo("EGM-4B", "qwen3_vl", ("visible", "amodal"))
    for reasoning in (True, False):
        grounder = Grounder(edge.engine, info, reasoning=reasoning)
        try:
            found = grounder.ground(np.zeros((100, 100, 3), np.uint8), "the mug")
        finally:
            grounder.close()
        assert (found.outcome, found.score_available) == ("found", True), found
        assert found.visible == pytest.approx((10, 20, 30, 40)) and found.amodal is not None


def test_its_own_command_line_reads_ours() -> None:
    start = SERVERS["edgellm"].start
    assert start is not None
    words = start.words(Order("nvidia/EGM-4B", 8123, "EGM-4B"))
    read = "import sys; from experimental.server.config import parse_server_config as p; c = p(sys.argv[1:])"
    told = "print(c.api.port, c.api.served_model_name, c.api.reasoning_parser, c.model.max_batch_size,"
    told += " c.model.enable_in_flight_batching)"
    done = subprocess.run([PYTHON, "-c", f"{read}; {told}", *words], capture_output=True, text=True, env={})
    assert done.stdout.split() == ["8123", "EGM-4B", "none", "2", "True"], done.stderr
