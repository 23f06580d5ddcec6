"""A server that bills: it counts what it was asked, and fails as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripted_http import JsonHandler, LocalServer, running_server

# What a turn does: a status with headers, or an answer's text, finish and usage; or `raw` bytes in pieces, with a
# `pause` in seconds after each; or an `error` with its `status`. `message` has more of the answer's message.
Turn = tuple[int, dict[str, str]] | dict[str, Any]


class Paid(LocalServer):
    """The server; `script` gives a turn for the text and how often it was asked before."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.script: Callable[[str, int], Turn] = lambda text, before: {}
        self.usage = {"prompt_tokens": 100, "completion_tokens": 20}
        self.name = "teacher-1"
        self.asked: Counter[str] = Counter()
        self.billed = [0, 0]
        self.answers = 0
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.under_way = self.most_at_once = 0
        self.seconds = 0.0
        self.lock = threading.Lock()

    def dollars(self, into: float, out: float) -> float:
        return (self.billed[0] * into + self.billed[1] * out) / 1e6


class Handler(JsonHandler):
    server: Paid

    def do_GET(self) -> None:
        self.reply(200, {"object": "list", "data": [{"id": self.server.name, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        server = self.server
        with server.lock:
            before = server.asked[text]
            server.asked[text] += 1
            server.bodies.append(body)
            server.times.append(time.monotonic())
            server.under_way += 1
            server.most_at_once = max(server.most_at_once, server.under_way)
        time.sleep(server.seconds)
        turn = server.script(text, before)
        with server.lock:
            server.under_way -= 1
        if isinstance(turn, tuple):
            self.reply(turn[0], {"error": {"message": f"scripted {turn[0]}"}}, turn[1])
            return
        if "error" in turn:
            self.reply(turn["status"], {"error": turn["error"]})
            return
        if "raw" in turn:
            self.drip(turn["raw"], turn.get("pause", 0.0))
            return
        usage = turn.get("usage", server.usage)
        with server.lock:
            server.billed[0] += usage.get("prompt_tokens", 0)
            server.billed[1] += usage.get("completion_tokens", 0)
            server.answers += 1
        choice = {"index": 0, "finish_reason": turn.get("finish", "stop")}
        choice |= {"message": {"role": "assistant", "content": turn.get("text", f"answer to {text}")}}
        choice["message"] |= turn.get("message", {})
        self.reply(200, {"model": "teacher-1-0825", "choices": [choice], "usage": usage})

    def drip(self, pieces: list[bytes], pause: float) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(sum(map(len, pieces))))
        self.end_headers()
        try:
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(pause)
        except ConnectionError:
            self.close_connection = True


@contextmanager
def paid() -> Iterator[Paid]:
    """Run the server in a thread."""
    with running_server(Paid()) as server:
        yield server
