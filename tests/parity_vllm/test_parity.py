"""vLLM against transformers: the same greedy tokens, through the same client that a robot's node uses.

Needs an environment with vLLM, whose Python `EGM_VLLM_PYTHON` names; `make test-vllm` builds one and runs this.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from checkpoints import ABSENT, FOUND
from numpy.typing import NDArray
from server import MARKS, serving

from egm_core.engines import Completion, Request, Sampling, collect
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info

pytestmark = MARKS
TOKENS = 32


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    """The model folder to compare on: `EGM_VLLM_MODEL`, or the memorising checkpoint."""
    named = os.environ.get("EGM_VLLM_MODEL")
    return Path(named) if named else request.getfixturevalue("memorising_qwen")


@pytest.fixture(scope="module")
def vllm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAIEngine]:
    with serving(folder, tmp_path_factory.mktemp("vllm")) as engine:
        yield engine


@pytest.fixture(scope="module")
def transformers(folder: Path) -> Iterator[TransformersEngine]:
    with TransformersEngine(folder) as engine:
        engine.wait_ready(300)
        yield engine


def pictures() -> list[NDArray[np.uint8]]:
    """Pictures whose sides the image processors leave as they are, so that both see the same pixels."""
    rng = np.random.default_rng(11)
    shapes = [(96, 128), (128, 128), (64, 96)]
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def test_greedy_tokens_equal_those_of_transformers(vllm: OpenAIEngine, transformers: TransformersEngine) -> None:
    speaker = family("qwen3_vl")
    prompts = [speaker.prompt(FOUND, "visible"), speaker.prompt(FOUND, "amodal"), speaker.prompt(ABSENT, "visible")]
    prompts += ["Locate the box behind the mug", "There is a dragon", "red green blue"]
    pairs: list[tuple[Completion, Completion]] = []
    vllm_ms: list[float] = []
    for number, (picture, prompt) in enumerate((a, b) for a in pictures() for b in prompts):
        request = Request(f"parity-{number}", picture, prompt, Sampling(max_tokens=TOKENS))
        began = time.perf_counter()
        theirs = collect(vllm.generate(request))
        vllm_ms.append(1000 * (time.perf_counter() - began))
        pairs.append((collect(transformers.generate(request)), theirs))
    equal = sum(a.text == b.text for ours, theirs in pairs for a, b in zip(ours.tokens, theirs.tokens, strict=False))
    total = sum(len(ours.tokens) for ours, _ in pairs)
    apart = max(
        abs((a.logprob or 0) - (b.logprob or 0))
        for ours, theirs in pairs
        for a, b in zip(ours.tokens, theirs.tokens, strict=False)
    )
    lengths = sorted({len(ours.tokens) for ours, _ in pairs})
    texts = len({ours.text for ours, _ in pairs})
    print(f"greedy tokens equal: {equal} of {total} in {len(pairs)} answers ({texts} different, lengths {lengths})")
    print(f"log-probabilities at most {apart:.2g} apart; vLLM's median {np.median(vllm_ms):.0f} ms an answer")
    assert max(lengths) == TOKENS
    assert texts >= 3
    assert [theirs.text for _, theirs in pairs] == [ours.text for ours, _ in pairs]
    assert [theirs.finish for _, theirs in pairs] == [ours.finish for ours, _ in pairs]
    assert equal == total
    assert apart < 1e-3


def test_is_recognised_and_obeys_grammars(vllm: OpenAIEngine) -> None:
    assert (vllm.dialect, vllm.grammar()) == ("vllm", "accepted")
    regex = "(yes|no), [0-9]{2}!"
    answer = collect(vllm.generate(Request("regex", pictures()[0], "x", Sampling(max_tokens=32), regex=regex)))
    assert re.fullmatch(regex, answer.text)
    schema = {"type": "integer", "minimum": 3, "maximum": 5}
    answer = collect(vllm.generate(Request("json", pictures()[0], "x", Sampling(max_tokens=32), json_schema=schema)))
    assert answer.text.strip() in ("3", "4", "5")


def test_a_limit_beyond_its_context_is_no_error(vllm: OpenAIEngine) -> None:
    prompt = family("qwen3_vl").prompt(FOUND, "visible")
    answer = collect(vllm.generate(Request("long", pictures()[0], prompt, Sampling(max_tokens=4096))))
    assert answer.finish in ("stop", "length")
    assert answer.text


def test_abort_stops_its_generation(vllm: OpenAIEngine) -> None:
    request = Request("abort", pictures()[0], "x", Sampling(max_tokens=900), regex="[a-z]{900}")
    stream = vllm.generate(request)
    next(stream)
    vllm.abort("abort")
    assert collect(stream).finish == "abort"
    deadline = time.monotonic() + 20
    while True:
        metrics = httpx.get(f"{vllm.url}/metrics").text
        running = [float(n) for n in re.findall(r"^vllm:num_requests_running\{.*\} (\S+)$", metrics, re.MULTILINE)]
        if running and not any(running):
            break
        assert time.monotonic() < deadline, metrics[:2000]
        time.sleep(0.1)


def test_grounds_through_it(vllm: OpenAIEngine, transformers: TransformersEngine, folder: Path) -> None:
    groundings = []
    for engine in (vllm, transformers):
        grounder = Grounder(engine, load_info(folder))
        groundings.append(grounder.ground(pictures()[1], FOUND))
        grounder.close()
    assert groundings[0].outcome == groundings[1].outcome
    assert groundings[0].visible == groundings[1].visible
    assert groundings[0].amodal == groundings[1].amodal
    assert groundings[0].score == pytest.approx(groundings[1].score, abs=1e-3)
