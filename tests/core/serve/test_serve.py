"""The server: OpenAI's chat API over real HTTP, its refusals, and its end."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from checkpoints import FOUND, memorised_answers
from numpy.typing import NDArray

from egm_core.engines.base import Chunk, Token
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.serve.__main__ import main
from egm_core.serve.app import create_app
from egm_core.serve.protocol import Refusal, event
from egm_core.serve.reading import parse, read_data_url

ROOT = Path(__file__).parents[3]
PROMPT = family("qwen3_vl").prompt(FOUND, "visible")


@pytest.fixture(scope="module")
def url(served_qwen: str) -> str:
    with OpenAIEngine(served_qwen) as engine:
        engine.wait_ready(120)
    return served_qwen


@pytest.fixture(scope="module")
def data_url(noise: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", noise)[1].tobytes()).decode()


def body(data_url: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "image_url", "image_url": {"url": data_url}}, {"type": "text", "text": PROMPT}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 64, **fields}


def post(url: str, json_body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/chat/completions", json=json_body, timeout=60)


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


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "gpt-9"}, 404, "memorising_qwen"),
        ({"n": 2}, 400, "one answer"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"temperature": -1}, 400, "temperature"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "hello"}]}, 400, "image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]}, 400, "0 pictures"),
        ({"response_format": {"type": "xml"}}, 400, "json_schema"),
        ({"response_format": {"type": "json_schema"}}, 400, "json_schema.schema"),
        ({"structured_outputs": {"grammar": "x"}}, 400, "regex"),
        ({"structured_outputs": {"regex": "["}}, 400, "grammar cannot be used"),
        (
            {
                "structured_outputs": {"regex": "x"},
                "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
            },
            400,
            "not both",
        ),
    ],
)
def test_refuses_in_openais_shape(url: str, data_url: str, change: dict[str, Any], status: int, words: str) -> None:
    answer = post(url, body(data_url) | change)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert words in error["message"]
    assert (error["code"], error["type"]) == (status, "not_found" if status == 404 else "invalid_request_error")


def test_refuses_what_is_no_json_and_no_path_of_its_own(url: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
    lost = httpx.get(f"{url}/v2/nothing")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("http://example.com/mug.png", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        ("data:text/plain;base64,aGk=", "not an image"),
        ("data:image/png,raw", "not an image"),
        ("data:image/png;base64,@@@", "base64 is broken"),
        ("data:image/png;base64,aGVsbG8=", "cannot be decoded"),
        ("data:image/png;base64,", "cannot be decoded"),
    ],
)
def test_only_pictures_as_data_urls(image: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        read_data_url(image)
    assert caught.value.status == 400


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


@pytest.mark.parametrize("model", ["/nowhere/model", "someone/model"])
def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], model: str) -> None:
    assert main(["--model", model]) == 2
    assert model in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str], url: str, memorising_qwen: Path) -> None:
    port = url.rsplit(":", 1)[1]
    assert main(["--model", str(memorising_qwen), "--port", port]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_a_signal_while_it_loads_ends_it_cleanly(memorising_qwen: Path) -> None:
    command = [sys.executable, "-m", "egm_core.serve", "--port", "0", "--model", str(memorising_qwen)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        health = httpx.get(f"{url}/health", timeout=60)
        assert (health.status_code, health.json()["state"]) == (503, "starting")
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_no_orphan_survives_its_parent(memorising_qwen: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'egm_core.serve', '--exit-with-parent', '--port', '0',"
        f" '--model', {str(memorising_qwen)!r}], stdout=subprocess.PIPE, text=True)\n"
        "print(p.pid, p.stdout.readline().strip(), flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    pid = int(done.stdout.split()[0])
    assert "listening on http://127.0.0.1:" in done.stdout
    deadline = time.monotonic() + 40
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def png_of(width: int, height: int) -> bytes:
    """A picture that says it is large; its pixels are missing, so that only its header can refuse it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0\0\0\0IDAT"


def test_a_picture_too_large_is_refused_by_its_header() -> None:
    for size in ((30_000, 30_000), (12_000, 8_000)):
        url = "data:image/png;base64," + base64.b64encode(png_of(*size)).decode()
        with pytest.raises(Refusal, match=rf"{size[0]} x|too large"):
            read_data_url(url)


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


@pytest.mark.parametrize(
    "text",
    [
        '{"messages": [{"role": "user", "content": [{"type": "text", "text": "\\ud800"}]}]}',
        '{"messages": [{"role": "\\udfff", "content": "x"}], "model": "\\ud800"}',
        '{"messages": null}',
        "[" * 100_000,
        "9" * 10_000,
        "null",
        "\x00",
        '{"seed": 1e400}',
    ],
)
def test_what_is_no_request_is_400_in_openais_shape(url: str, text: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=text.encode(), timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2**64},
        {"seed": -(2**63) - 1},
        {"seed": 10**400},
        {"repetition_penalty": 1e-300},
        {"chat_template_kwargs": {"tokenize": True}},
        {"chat_template_kwargs": {"messages": "x"}},
        {"structured_outputs": {"regex": "a" * 20_000}},
        {"messages": [{"role": "user", "content": "x"}] * 2},
    ],
)
def test_what_cannot_be_is_400(url: str, data_url: str, change: dict[str, Any]) -> None:
    answer = post(url, body(data_url) | change)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_prompt_beyond_the_context_is_400(url: str, data_url: str) -> None:
    asked = body(data_url)
    asked["messages"][0]["content"][1]["text"] = "mug " * 30_000
    answer = post(url, asked)
    assert (answer.status_code, "ask shorter" in answer.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("told", [True, False])
def test_a_body_too_large_is_413_whether_its_length_is_told_or_not(url: str, told: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000

    content = b" " * 40_000_000 if told else pieces()
    answer = httpx.post(f"{url}/v1/chat/completions", content=content, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)
    assert httpx.get(f"{url}/health").json()["open"] == 0


def test_a_million_values_are_refused_without_making_them() -> None:
    with pytest.raises(Refusal, match="values") as caught:
        parse(b'{"messages": [' + b'{"role": "user", "content": "x"},' * 900_000 + b"{}]}")
    assert caught.value.status == 400


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


def test_it_opens_to_other_machines_only_with_a_key_or_when_told(
    memorising_qwen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    start = ["--model", str(memorising_qwen), "--port", url.rsplit(":", 1)[1]]
    assert main([*start, "--host", "0.0.0.0"]) == 2
    assert "--api-key-env" in capsys.readouterr().err
    assert main([*start, "--api-key-env", "EGM_TEST_NO_KEY"]) == 2
    assert "EGM_TEST_NO_KEY is empty" in capsys.readouterr().err
    monkeypatch.setenv("EGM_TEST_KEY", "sesame")
    for allowed in (["--api-key-env", "EGM_TEST_KEY"], ["--without-key"]):
        # The port is taken, so that it gets as far as listening and no further.
        assert main([*start, "--host", "0.0.0.0", *allowed]) == 2
        assert "is the port taken" in capsys.readouterr().err
