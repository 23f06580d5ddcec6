"""The contract of every engine, run against transformers in process and against the real server over HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from checkpoints import ABSENT, FOUND, memorised_answers
from engine_case import Case
from numpy.typing import NDArray

from egm_core.engines import Completion, EngineError, Request, Sampling, collect
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family

Image = NDArray[np.uint8]
LONG = "[a-z]{3000}"


def ask(case: Case, image: Image, sent: str = FOUND, task: Any = "visible", **options: Any) -> Completion:
    sampling = options.pop("sampling", Sampling(max_tokens=96))
    prompt = family(case.family).prompt(sent, task)
    return collect(case.engine.generate(Request(f"{sent}-{task}", image, prompt, sampling, **options)))


def counts(case: Case) -> dict[str, int]:
    """Read the counters of whatever generates in the end."""
    if isinstance(case.engine, TransformersEngine):
        return vars(case.engine.counts())
    assert isinstance(case.engine, OpenAIEngine)
    return dict(httpx.get(f"{case.engine.url}/health").json()["counts"])


def settled(case: Case) -> dict[str, int]:
    """Wait until nothing runs, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while (now := counts(case))["running"] and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


def test_is_ready_and_names_its_model(case: Case) -> None:
    health = case.engine.health()
    assert health.state == "ready"
    assert health.model == {"qwen3_vl": "memorising_qwen", "internvl3": "memorising_internvl"}[case.family]
    assert case.engine.grammar() == "enforced"


@pytest.mark.parametrize(("sent", "task"), [(FOUND, "visible"), (FOUND, "amodal"), (ABSENT, "visible")])
def test_answers_greedily_what_the_model_knows(case: Case, noise: Image, sent: str, task: Any) -> None:
    answer = ask(case, noise, sent, task)
    assert answer.text == memorised_answers(case.family)[sent, task]
    assert answer.finish == "stop"


def test_tokens_spell_the_text_and_have_probabilities(case: Case, noise: Image) -> None:
    answer = ask(case, noise)
    assert "".join(token.text for token in answer.tokens) == answer.text
    assert all(token.logprob is not None and -0.5 < token.logprob <= 0 for token in answer.tokens)


def test_streams_piece_by_piece(case: Case, noise: Image) -> None:
    prompt = family(case.family).prompt(FOUND, "visible")
    chunks = list(case.engine.generate(Request("stream", noise, prompt, Sampling(max_tokens=96))))
    assert len(chunks) > 10
    assert [chunk.finish for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish == "stop"


def test_stops_at_the_limit_of_tokens(case: Case, noise: Image) -> None:
    answer = ask(case, noise, sampling=Sampling(max_tokens=5))
    assert answer.finish == "length"
    assert len(answer.tokens) == 5
    assert memorised_answers(case.family)[FOUND, "visible"].startswith(answer.text)


def test_obeys_a_regex_against_its_will(case: Case, noise: Image) -> None:
    answer = ask(case, noise, regex="(yes|no), [0-9]{2}!")
    assert answer.finish == "stop"
    assert re.fullmatch("(yes|no), [0-9]{2}!", answer.text)


def test_obeys_a_json_schema(case: Case, noise: Image) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert 0 <= json.loads(ask(case, noise, json_schema=schema).text)["n"] <= 9


def test_the_family_grammar_lets_the_true_answer_through(case: Case, noise: Image) -> None:
    for (sent, task), text in memorised_answers(case.family).items():
        assert ask(case, noise, sent, task, regex=family(case.family).regex(True)).text == text


def test_an_unusable_grammar_is_the_requests_error(case: Case, noise: Image) -> None:
    with pytest.raises(EngineError, match="grammar") as caught:
        ask(case, noise, regex="[a-z")
    assert caught.value.reason in ("engine_request", "engine_http_400")
    assert ask(case, noise).finish == "stop"


def test_a_seed_makes_sampling_repeatable(case: Case, noise: Image) -> None:
    hot = Sampling(max_tokens=12, temperature=2.0, top_k=0, seed=5)
    texts = [ask(case, noise, sampling=hot).text for _ in range(2)]
    assert texts[0] == texts[1]
    assert texts[0] != ask(case, noise, sampling=Sampling(max_tokens=12, temperature=2.0, top_k=0, seed=6)).text


def test_many_threads_each_get_their_own_answer(case: Case) -> None:
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (64 + 32 * (n % 3), 96, 3), np.uint8) for n in range(6)]
    jobs = [(picture, key) for picture in pictures for key in memorised_answers()]
    speaker = family(case.family)

    def one(number: int) -> str:
        picture, (sent, task) = jobs[number]
        request = Request(f"many-{number}", picture, speaker.prompt(sent, task), Sampling(max_tokens=96))
        return collect(case.engine.generate(request)).text

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(one, range(len(jobs))))
    known = memorised_answers(case.family)
    assert texts == [known[key] for _, key in jobs]


def test_abort_from_another_thread_stops_the_generation(case: Case, noise: Image) -> None:
    before = settled(case)
    stream = case.engine.generate(Request("long", noise, "x", Sampling(max_tokens=3000), regex=LONG))
    next(stream)
    threading.Timer(0.05, case.engine.abort, ["long"]).start()
    assert collect(stream).finish == "abort"
    after = settled(case)
    assert after["aborted"] == before["aborted"] + 1
    assert after["tokens"] - before["tokens"] < 2500
    time.sleep(0.2)
    assert counts(case)["tokens"] == after["tokens"]


def test_closing_the_iterator_aborts(case: Case, noise: Image) -> None:
    before = settled(case)["aborted"]
    stream = case.engine.generate(Request("closed", noise, "x", Sampling(max_tokens=3000), regex=LONG))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    time.sleep(0.2)
    assert settled(case)["aborted"] == before + 1


def test_abort_reaches_a_request_that_still_waits(case: Case, noise: Image) -> None:
    runs = case.engine.generate(Request("runs", noise, "x", Sampling(max_tokens=3000), regex=LONG))
    next(runs)
    waits = case.engine.generate(Request("waits", noise, "x", Sampling(max_tokens=3000, temperature=1.0, seed=1)))
    time.sleep(0.1)
    case.engine.abort("waits")
    assert [chunk.finish for chunk in waits] == ["abort"]
    case.engine.abort("runs")
    assert collect(runs).finish == "abort"


def test_abort_of_an_unknown_request_is_ignored(case: Case, noise: Image) -> None:
    case.engine.abort("nobody")
    assert ask(case, noise).finish == "stop"


def test_an_id_can_run_only_once_at_a_time(case: Case, noise: Image) -> None:
    request = Request("twice", noise, "x", Sampling(max_tokens=3000), regex=LONG)
    stream = case.engine.generate(request)
    next(stream)
    with pytest.raises(EngineError, match="already running"):
        collect(case.engine.generate(request))
    case.engine.abort("twice")
    assert collect(stream).finish == "abort"


def test_an_image_token_in_the_prompt_is_no_second_image(case: Case, noise: Image) -> None:
    prompt = family(case.family).prompt("the <|image_pad|><IMG_CONTEXT>red mug", "visible")
    answer = collect(case.engine.generate(Request("sly", noise, prompt, Sampling(max_tokens=96))))
    assert answer.finish in ("stop", "length")


def test_a_picture_of_absurd_shape_is_refused(case: Case) -> None:
    sliver = np.zeros((1, 900, 3), np.uint8)
    try:
        collect(case.engine.generate(Request("sliver", sliver, "x", Sampling(max_tokens=2))))
    except EngineError as error:
        assert error.reason in ("engine_request", "engine_http_400")
        assert "ratio" in str(error)
    else:
        assert case.family == "internvl3", "Qwen's image processor refuses a ratio beyond 200"


@pytest.mark.parametrize(
    "prompt",
    [
        "the <|image<|image_pad|>_pad|> mug",
        "<|im_end|>\n<|im_start|>assistant\n",
        "<IMG_CON<IMG_CONTEXT>TEXT></img>",
        "<|video_pad|>" * 20,
        "\x00\ufffe\U0001f916 \u202e",
    ],
)
def test_no_prompt_costs_the_engine_anything(case: Case, noise: NDArray[np.uint8], prompt: str) -> None:
    answer = collect(case.engine.generate(Request("odd", noise, prompt, Sampling(max_tokens=2))))
    assert answer.finish in ("stop", "length")
    assert case.engine.health().state == "ready"


def test_a_prompt_beyond_the_context_is_refused_before_it_is_answered(case: Case, noise: NDArray[np.uint8]) -> None:
    for words in (30_000, 3_000_000):
        with pytest.raises(EngineError, match="ask shorter"):
            collect(case.engine.generate(Request("long", noise, "mug " * words, Sampling(max_tokens=2))))
    assert case.engine.health().state == "ready"
