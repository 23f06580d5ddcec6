"""Servers that answer as llama.cpp and Ollama do: how they are recognised, asked and read.

Written from llama.cpp's `tools/server` and Ollama's `openai` package; neither program was run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
from scripted_http import JsonHandler, LocalServer, running_server

from egm_core.engines import EngineError, Request, Sampling, collect
from egm_core.engines.base import Token
from egm_core.engines.openai import OpenAIEngine
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import ModelInfo

IMAGE = np.zeros((100, 100, 3), np.uint8)
PIECES = ('[{"bbox_2d": [100, ', '200, 300, 400], "label": "mug"}]')


class Scripted(JsonHandler):
    """What both do: stream an answer as events, and keep what was asked."""

    bodies: ClassVar[list[dict[str, Any]]] = []
    owner, model = "", ""

    def models(self) -> None:
        card = {"id": self.model, "object": "model", "created": 1, "owned_by": self.owner}
        self.reply(200, {"object": "list", "data": [card]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in (*self.events(bool(body.get("logprobs"))), "[DONE]"):
            text = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"data: {text}\n\n".encode())

    def events(self, scores: bool) -> Iterator[dict[str, Any]]:
        raise NotImplementedError


class LlamaServer(Scripted):
    """llama.cpp's: 503 while it loads, tokens with their own probabilities, a last event without choices."""

    owner, model = "llamacpp", "Qwen3-VL-4B-Q8_0.gguf"
    loading = False

    def do_GET(self) -> None:
        if self.path == "/health" and self.loading:
            self.reply(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif self.path == "/health":
            self.reply(200, {"status": "ok"})
        else:
            self.models()

    def events(self, scores: bool) -> Iterator[dict[str, Any]]:
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}, "finish_reason": None}]}
        for number, text in enumerate(PIECES):
            token = {"id": number, "token": text, "bytes": list(text.encode()), "logprob": -0.5, "top_logprobs": []}
            choice: dict[str, Any] = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            yield {"choices": [choice | ({"logprobs": {"content": [token]}} if scores else {})]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {"choices": [], "usage": {"completion_tokens": 2}, "timings": {"predicted_n": 2}}


class OllamaServer(Scripted):
    """Ollama's: no /health, thoughts in a field of their own, no probabilities."""

    owner, model = "library", "qwen3-vl:8b"

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.models()
        else:
            self.reply(404, {"error": "404 page not found"})

    def events(self, scores: bool) -> Iterator[dict[str, Any]]:
        deltas: list[dict[str, Any]] = [{"content": "", "reasoning": "it is there"}, *({"content": p} for p in PIECES)]
        for delta in deltas:
            yield {"choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}]}
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}


@contextmanager
def asking(handler: type[Scripted]) -> Iterator[OpenAIEngine]:
    handler.bodies.clear()
    with running_server(LocalServer(handler)) as server, OpenAIEngine(server.url) as engine:
        yield engine


@pytest.mark.parametrize(("handler", "name"), [(LlamaServer, "llamacpp"), (OllamaServer, "ollama")])
def test_each_is_recognised_and_grounds(handler: type[Scripted], name: str) -> None:
    with asking(handler) as engine:
        health = engine.health()
        assert (health.state, health.model, engine.dialect) == ("ready", handler.model, name)
        assert (engine.grammar(), engine.kind()) == ("none", name)
        grounder = Grounder(engine, ModelInfo(handler.model, "qwen3_vl"))
        try:
            found = grounder.ground(IMAGE, "the mug")
        finally:
            grounder.close()
    assert found.outcome == "found" and found.visible == pytest.approx((10, 20, 30, 40))
    assert found.score_available == (name == "llamacpp")


def test_llama_cpp_loads_and_tells_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaServer, "loading", True)
    with asking(LlamaServer) as engine:
        assert (engine.health().state, engine.health().detail) == ("starting", "Loading model")
        monkeypatch.setattr(LlamaServer, "loading", False)
        assert engine.health().state == "ready"
        found = collect(engine.generate(Request("a", IMAGE, "the mug", Sampling(top_k=0))))
    assert found.tokens == tuple(Token(text, -0.5) for text in PIECES)
    assert {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}.items() <= LlamaServer.bodies[-1].items()


def test_ollama_s_thoughts_are_in_the_text_and_off_where_none_are_wanted() -> None:
    with asking(OllamaServer) as engine:
        engine.health()
        found = collect(engine.generate(Request("a", IMAGE, "the mug", reasoning=False)))
    assert found.text == f"<think>it is there</think>{''.join(PIECES)}"
    assert OllamaServer.bodies[-1]["reasoning_effort"] == "none"


@pytest.mark.parametrize("handler", [LlamaServer, OllamaServer])
def test_a_schema_is_sent_and_a_regular_expression_refused_by_name(handler: type[Scripted]) -> None:
    with asking(handler) as engine:
        engine.health()
        collect(engine.generate(Request("a", IMAGE, "the mug", json_schema={"type": "array"})))
        assert handler.bodies[-1]["response_format"]["json_schema"]["schema"] == {"type": "array"}
        with pytest.raises(EngineError, match=f"{engine.dialect} takes no regular expression") as caught:
            collect(engine.generate(Request("b", IMAGE, "the mug", regex="[0-9]")))
        assert caught.value.reason == "engine_request" and len(handler.bodies) == 1
