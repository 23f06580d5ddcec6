"""The server: OpenAI's chat API over real HTTP, what it answers, and where its limits are."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from checkpoints import FOUND, memorised_answers
from numpy.typing import NDArray
from requests_made import body, post

from egm_core.engines.base import Chunk, Token
from egm_core.engines.local import TransformersEngine
from egm_core.serve.app import create_app
from egm_core.serve.protocol import event
from egm_core.serve.reading import read_data_url


def test_lists_its_model(url: str) -> None:
    entry = httpx.get(f"{url}/v1/models").json()["data"][0]
    assert (entry["id"], entry["owned_by"]) == ("memorising_qwen", "egm_core")


def test_health_tells_state_and_counters(url: str) -> None:
    answer = httpx.get(f"{url}/health")
    assert answer.status_code == 200
    assert answer.json()["state"] == "ready"
    assert set(answer.json()["counts"]) == {
        "received", "completed", "aborted", "failed", "tokens", "batches", "running", "waiting"
    }  # fmt: skip


def test_answers_whole(url: str, data_url: str) -> None:
    answer = post(url, body(data_url, model="memorising_qwen", logprobs=True)).json()
    choice = answer["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": memorised_answers()[FOUND, "visible"]}
    assert (choice["finish_reason"], answer["object"]) == ("stop", "chat.completion")
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert bytes(tokens[0]["bytes"]).decode() == tokens[0]["token"]
    usage = answer["usage"]
    assert usage["completion_tokens"] == len(tokens)
    assert usage["total_tokens"] == usage["prompt_tokens"] + len(tokens)
    assert usage["prompt_tokens"] > 12


def test_answers_as_a_stream(url: str, data_url: str) -> None:
    asked = body(data_url, stream=True, stream_options={"include_usage": True})
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line[6:]) for line in lines[:-1]]
    assert "".join(e["choices"][0]["delta"]["content"] for e in events[:-1]) == memorised_answers()[FOUND, "visible"]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["usage"]["completion_tokens"] > 10
    assert all(event["choices"][0]["logprobs"] is None for event in events[:-1])


def test_hanging_up_stops_the_generation(url: str, data_url: str) -> None:
    before = httpx.get(f"{url}/health").json()["counts"]
    grammar = {"regex": "[a-z]{3000}"}
    for stream in (True, False):
        asked = body(data_url, stream=stream, structured_outputs=grammar) | {"max_tokens": 3000}
        try:
            with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked, timeout=0.3) as answer:
                next(answer.iter_lines())
        except httpx.ReadTimeout:
            assert not stream
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        after = httpx.get(f"{url}/health").json()
        if after["counts"]["aborted"] == before["aborted"] + 2:
            break
        time.sleep(0.05)
    assert after["counts"]["aborted"] == before["aborted"] + 2
    assert after["counts"]["running"] == after["open"] == 0
    assert after["counts"]["tokens"] - before["tokens"] < 5000


def test_a_data_url_keeps_every_pixel(noise: NDArray[np.uint8]) -> None:
    png = cv2.imencode(".png", cv2.cvtColor(noise, cv2.COLOR_RGB2BGR))[1].tobytes()
    np.testing.assert_array_equal(read_data_url("data:image/png;base64," + base64.b64encode(png).decode()), noise)


class TestAtItsLimits:
    """The application around a real engine, without a process of its own."""

    @pytest.fixture(scope="class")
    def engine(self, memorising_qwen: Path) -> Iterator[TransformersEngine]:
        with TransformersEngine(memorising_qwen, threads=1) as engine:
            engine.wait_ready(120)
            yield engine

    def client(
        self, engine: TransformersEngine | None, max_queue: int = 4, max_tokens: int = 4096
    ) -> httpx.AsyncClient:
        app = create_app(lambda: engine, "m", max_tokens=max_tokens, max_queue=max_queue)  # type: ignore[arg-type,return-value]
        app.state.service.engine = engine
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here", timeout=60)

    def test_a_full_queue_is_429(self, engine: TransformersEngine, data_url: str) -> None:
        async def three() -> list[httpx.Response]:
            long = body(data_url, structured_outputs={"regex": "[a-z]{80}"}) | {"max_tokens": 90}
            async with self.client(engine, max_queue=2) as client:
                return await asyncio.gather(*(client.post("/v1/chat/completions", json=long) for _ in range(3)))

        answers = asyncio.run(three())
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["error"]["type"] == "rate_limit_exceeded"

    def test_an_answer_is_no_longer_than_the_servers_limit(self, engine: TransformersEngine, data_url: str) -> None:
        async def one() -> dict[str, Any]:
            async with self.client(engine, max_tokens=7) as client:
                return dict((await client.post("/v1/chat/completions", json=body(data_url))).json())

        answer = asyncio.run(one())
        assert answer["usage"]["completion_tokens"] == 7
        assert answer["choices"][0]["finish_reason"] == "length"

    def test_before_the_model_is_there_it_is_503(self, data_url: str) -> None:
        async def early() -> tuple[httpx.Response, httpx.Response]:
            async with self.client(None) as client:
                return await client.get("/health"), await client.post("/v1/chat/completions", json=body(data_url))

        health, answer = asyncio.run(early())
        assert (health.status_code, health.json()["state"]) == (503, "starting")
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "service_unavailable")

    def test_a_model_that_cannot_be_loaded_is_told_on_health(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')

        async def failed() -> dict[str, Any]:
            app = create_app(lambda: TransformersEngine(tmp_path), "m")
            async with app.router.lifespan_context(app):
                client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here")
                deadline = time.monotonic() + 60
                while (state := (await client.get("/health")).json())["state"] == "starting":
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
                return dict(state)

        state = asyncio.run(failed())
        assert state["state"] == "failed"
        assert state["detail"]


@pytest.mark.parametrize(
    "change",
    [
        dict.fromkeys(("stream", "stream_options", "n", "temperature", "top_p", "top_k", "repetition_penalty", "seed")),
        dict.fromkeys(("logprobs", "response_format", "structured_outputs", "model", "max_completion_tokens")),
        {"seed": 2**63 - 1},
        {"seed": -(2**63)},
        {"seed": 2**64 - 1, "temperature": 1.0},
        {"temperature": 1e-300, "seed": 1},
        {"repetition_penalty": 100, "temperature": 2, "top_p": 1e-9},
        {"top_k": 10**30, "temperature": 1.0},
        {"max_tokens": 10**30, "structured_outputs": {"regex": "[a-c]{3}"}},
    ],
)
def test_what_is_valid_is_answered(url: str, data_url: str, change: dict[str, Any]) -> None:
    answer = post(url, body(data_url) | change)
    assert answer.status_code == 200, answer.text


def test_an_unknown_probability_is_null() -> None:
    told = event("x", "m", Chunk("ab", (Token("a"), Token("b", -math.inf))), True)["choices"][0]["logprobs"]["content"]
    assert [entry["logprob"] for entry in told] == [None, -9999.0]


def test_a_key_is_asked_for_everywhere_but_on_health(memorising_qwen: Path, data_url: str) -> None:
    async def answers() -> list[int]:
        app = create_app(lambda: None, "m", api_key="sesame")  # type: ignore[arg-type,return-value]
        statuses = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            for given in ("", "Bearer wrong", "Bearer sesämé", "Bearer sesame"):
                headers = {"Authorization": given.encode()}
                statuses.append((await client.get("/v1/models", headers=headers)).status_code)
                asked = await client.post("/v1/chat/completions", json=body(data_url), headers=headers)
                statuses.append(asked.status_code)
            statuses.append((await client.get("/health")).status_code)
        return statuses

    assert asyncio.run(answers()) == [401, 401, 401, 401, 401, 401, 200, 503, 503]
