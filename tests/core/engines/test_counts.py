"""The tokens that a server says it has counted: asked for, carried along, and never in an answer's way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from scripted_http import JsonHandler, LocalServer, running_server

from egm_core.engines import EngineError, Request, collect
from egm_core.engines.base import Completion
from egm_core.engines.http.sse import Reader
from egm_core.engines.openai import OpenAIEngine

IMAGE = np.zeros((8, 8, 3), np.uint8)
USAGE = {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 75}
TEXT = {"choices": [{"index": 0, "delta": {"content": "hello"}}]}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
AFTER = {"choices": [], "usage": USAGE}


class Counting(JsonHandler):
    """Streams `events`, then leaves the connection open for `lingers` seconds; `refuses` is its 400 to the option."""

    bodies: ClassVar[list[dict[str, Any]]] = []
    events: ClassVar[list[Any]] = []
    refuses: ClassVar[tuple[int, Any]] = (0, None)
    lingers: ClassVar[float] = 0.0

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": ""}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        if self.refuses[0] and "stream_options" in body:
            self.reply(*self.refuses)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in self.events:
            text = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()
        time.sleep(self.lingers)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIEngine]:
    for name, value in {"bodies": [], "events": [TEXT, END, AFTER, "[DONE]"], "refuses": (0, None)}.items():
        monkeypatch.setattr(Counting, name, value)
    with running_server(LocalServer(Counting)) as server, OpenAIEngine(server.url) as engine:
        yield engine


def ask(engine: OpenAIEngine, counts: bool = True) -> Completion:
    return collect(engine.generate(Request("a", IMAGE, "the red mug", counts=counts)))


def test_a_count_that_comes_after_the_last_word_is_carried(engine):
    said = ask(engine)
    assert (said.text, said.finish, said.usage) == ("hello", "stop", USAGE)
    assert Counting.bodies[0]["stream_options"] == {"include_usage": True}


def test_what_a_server_tells_unasked_is_carried_and_nothing_more_is_sent(engine, monkeypatch):
    monkeypatch.setattr(Counting, "events", [TEXT, {**END, "usage": USAGE}, "[DONE]"])
    said = ask(engine, counts=False)
    assert (said.text, said.usage) == ("hello", USAGE)
    assert "stream_options" not in Counting.bodies[0]


@pytest.mark.parametrize("refusal", [
    (400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
    (422, {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
    (400, {"error": {"message": "include_usage is not supported"}}),
    (400, {"error": {"message": "bad request"}}),
    (422, {}),
])  # fmt: skip
def test_a_server_that_refuses_to_count_is_asked_without_from_then_on(engine, monkeypatch, refusal, caplog):
    monkeypatch.setattr(Counting, "refuses", refusal)
    monkeypatch.setattr(Counting, "events", [TEXT, END, "[DONE]"])
    assert [ask(engine).text, ask(engine).text, ask(engine).usage] == ["hello", "hello", None]
    assert ["stream_options" in body for body in Counting.bodies] == [True, False, False, False]
    assert caplog.text.count("refuses stream_options") == 1


def test_another_refusal_is_told_as_it_is(engine, monkeypatch):
    monkeypatch.setattr(Counting, "do_POST", lambda self: (
        self.rfile.read(int(self.headers["Content-Length"])), self.reply(400, {"error": {"message": "no such picture"}})
    ))  # fmt: skip
    with pytest.raises(EngineError, match="no such picture"):
        ask(engine)


@pytest.mark.parametrize("after", [[], ["{not json"], [{"error": {"message": "late"}}]])
def test_what_follows_the_last_word_spoils_no_answer(engine, monkeypatch, after):
    monkeypatch.setattr(Counting, "events", [TEXT, END, *after])
    said = ask(engine)
    assert (said.text, said.finish, said.usage) == ("hello", "stop", None)


def test_a_server_that_says_nothing_more_is_not_waited_for(engine, monkeypatch):
    monkeypatch.setattr(Counting, "events", [TEXT, END])
    monkeypatch.setattr(Counting, "lingers", 4.0)
    began = time.monotonic()
    assert ask(engine).finish == "stop"
    assert time.monotonic() - began < 3.5


@pytest.mark.parametrize("usage", [[], "many", 7, True, {"prompt_tokens": "\ud800"}])
def test_any_count_passes_the_parser_as_it_was_told(usage):
    reader = Reader()
    assert reader.event({"choices": [], "usage": usage}, "delta") is None
    assert reader.event(END, "delta").usage == usage
