"""Our requests read by SGLang's own request models, and its own answers by our reader.

Needs an environment with its wheel, whose Python `EGM_SGLANG_PYTHON` names; `make test-sglang` builds one. No GPU, and
nothing of the engine itself is run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egm_core.engines import Request, Sampling
from egm_core.engines.base import Token
from egm_core.engines.http.chat_body import chat_body
from egm_core.engines.http.sse import Reader
from egm_core.servers.known import SERVERS, dialect_of
from egm_core.servers.named import Order

PYTHON = os.environ.get("EGM_SGLANG_PYTHON", "")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="EGM_SGLANG_PYTHON names no environment with SGLang: run make test-sglang"),
    pytest.mark.timeout(300),
]
IMAGE = np.zeros((8, 8, 3), np.uint8)
SCHEMA = {"type": "object", "properties": {"box": {"type": "array"}}}
REQUESTS = {
    "greedy": Request("a", IMAGE, "the mug", Sampling(max_tokens=77)),
    "open": Request("a", IMAGE, "the mug", Sampling(temperature=0.7, top_k=0, top_p=0.9, seed=3)),
    "regex": Request("a", IMAGE, "the mug", regex="[0-9]+"),
    "schema": Request("a", IMAGE, "the mug", json_schema=SCHEMA),
    "silent": Request("a", IMAGE, "the mug", template={"enable_thinking": False}, reasoning=False, logprobs=False),
}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What SGLang's models make of every request, by its name; `answer` is what they write themselves."""
    dialect = SERVERS["sglang"].dialect
    bodies = [json.dumps(chat_body(request, "m", "max_tokens", "png", dialect)) for request in REQUESTS.values()]
    program = Path(__file__).with_name("its_protocol.py")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [PYTHON, str(program)], input="\n".join(bodies), env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *read, answer, options = map(json.loads, done.stdout.splitlines())
    return dict(zip(REQUESTS, read, strict=True)) | {"answer": answer, "options": options["options"]}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_field_is_dropped(told: dict[str, Any], name: str) -> None:
    # Its models let unknown fields pass in silence.
    assert told[name]["unknown"] == [] and told[name]["chat"]["stream"]


def test_nothing_is_left_to_the_checkpoint_s_own_generation_config(told: dict[str, Any]) -> None:
    greedy = told["greedy"]["sampling"]
    assert (greedy["temperature"], greedy["top_p"], greedy["top_k"], greedy["max_new_tokens"]) == (0, 1, 20, 77)
    assert (greedy["repetition_penalty"], greedy["min_p"], greedy["skip_special_tokens"]) == (1, 0, False)
    drawn = told["open"]["sampling"]
    assert (drawn["temperature"], drawn["top_p"], drawn["top_k"], drawn["sampling_seed"]) == (0.7, 0.9, -1, 3)


def test_grammars_become_constraints(told: dict[str, Any]) -> None:
    assert told["regex"]["sampling"]["regex"] == "[0-9]+"
    assert json.loads(told["schema"]["sampling"]["json_schema"]) == SCHEMA
    assert told["greedy"]["sampling"]["regex"] is None and not told["greedy"]["sampling"].get("json_schema")


def test_thoughts_and_scores_are_switched(told: dict[str, Any]) -> None:
    assert told["silent"]["chat"] == {"kwargs": {"enable_thinking": False}, "logprobs": False, "stream": True}
    assert told["greedy"]["chat"] == {"kwargs": None, "logprobs": True, "stream": True}


def test_its_answers_are_read(told: dict[str, Any]) -> None:
    reader = Reader()
    chunks = [reader.line(f"data: {event}") for event in told["answer"]["events"]]
    tokens = [token for chunk in chunks if chunk is not None for token in chunk.tokens]
    assert tokens == [Token("ab", -0.5), Token("c", -1.5)] and reader.finish == "stop"
    assert dialect_of(told["answer"]["owner"]).name == "sglang"


def test_its_server_has_the_options_that_we_give(told: dict[str, Any]) -> None:
    start = SERVERS["sglang"].start
    assert start is not None
    words = [word for each in start.precisions for word in start.words(Order("m", 1, "n", each, 0.5))]
    options = {word.removeprefix("--").replace("-", "_") for word in words if word.startswith("--")}
    assert options == {option for option in options if re.search(rf"^    {option}: ", told["options"], re.MULTILINE)}
