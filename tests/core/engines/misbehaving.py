"""A server that speaks the OpenAI chat API badly on purpose, over real HTTP.

What it does is named by the model that a request asks for, so one server serves every test. `says:TEXT` is the
well-behaved exception: it streams TEXT, ignoring whatever grammar was asked for.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 4


def event(delta: dict[str, Any], finish: str | None = None, logprobs: list[dict[str, Any]] | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


class Handler(BaseHTTPRequestHandler):
    """One connection; `behave_<name>` is one way to misbehave."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            entries = [
                {"id": name, "object": "model", "owned_by": self.server.owner}
                for name in self.server.models or [self.server.model]
            ]
            self.reply(200, json.dumps({"object": "list", "data": entries}).encode())
        else:
            self.reply(*self.server.health)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = self.rfile.read(length)
        if len(sent) < length:
            self.server.hung_up.set()
            self.close_connection = True
            return
        body = json.loads(sent)
        self.server.bodies.append(body)
        self.server.headers.append(dict(self.headers))
        if self.server.models and body["model"] not in self.server.models:
            message = f"The model `{body['model']}` does not exist."
            self.reply(404, json.dumps({"error": {"message": message}}).encode())
            return
        name, _, argument = body["model"].partition(":")
        try:
            getattr(self, f"behave_{name}")(argument, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()
        self.close_connection = True

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, kind: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def behave_says(self, text: str, body: dict[str, Any]) -> None:
        amodal = "amodal" in body["messages"][0]["content"][1]["text"]
        text = text.split("||")[-1 if amodal else 0]
        time.sleep(self.server.pause)
        if not body.get("stream"):
            self.behave_whole(text, body)
            return
        self.begin()
        for start in range(0, len(text), PIECE):
            part = text[start : start + PIECE]
            logged = [{"token": part, "logprob": -0.5}] if body.get("logprobs") and self.server.logs else None
            self.piece(event({"content": part}, None, logged))
        self.piece(event({}, "stop") + b"data: [DONE]\n\n")
        self.end()

    def behave_status(self, status: str, body: dict[str, Any]) -> None:
        self.reply(int(status), json.dumps({"error": {"message": "the moon is in the wrong place"}}).encode())

    def behave_page(self, argument: str, body: dict[str, Any]) -> None:
        self.reply(200, b"<html>Welcome to the hotel's network</html>", "text/html")

    def behave_garbage(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(event({"content": "The red"}) + b"data: {not json\n\n")
        self.end()

    def behave_noise(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(b"\x00\xff\xfe binary \x80\n\n")
        self.end()

    def behave_shape(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(b'data: {"choices": [{"delta": {"content": 7}}]}\n\n')
        self.end()

    def behave_deep(self, where: str, body: dict[str, Any]) -> None:
        """Nests without end: in a `stream`, a `whole` answer, or a refusal."""
        nested = b"[" * 200_000
        if where != "stream":
            self.reply(200 if where == "whole" else 400, nested)
            return
        self.begin()
        self.piece(b"data: " + nested + b"\n\n")
        self.end()

    def behave_large(self, text: str, body: dict[str, Any]) -> None:
        """Gives a log-probability that no float can hold."""
        self.begin()
        self.piece(event({"content": text}, "stop", [{"token": text, "logprob": -(10**400)}]))
        self.end()

    def behave_trouble(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(event({"content": "The"}) + b'data: {"error": {"message": "out of memory"}}\n\n')
        self.end()

    def behave_cut(self, argument: str, body: dict[str, Any]) -> None:
        """Closes the connection in the middle of the chunked body."""
        self.begin()
        self.piece(event({"content": "The red mug"}))

    def behave_reset(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(event({"content": "The red mug"}))
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def behave_unfinished(self, argument: str, body: dict[str, Any]) -> None:
        """Ends the body properly, but half way through the answer."""
        self.begin()
        self.piece(event({"content": "The red mug"}))
        self.end()

    def behave_nothing(self, argument: str, body: dict[str, Any]) -> None:
        """Closes the connection without a word."""

    def behave_empty(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.end()

    def behave_silent(self, argument: str, body: dict[str, Any]) -> None:
        self.linger()

    def behave_stuck(self, argument: str, body: dict[str, Any]) -> None:
        self.begin()
        self.piece(event({"content": "The"}))
        self.linger()

    def behave_drip(self, argument: str, body: dict[str, Any]) -> None:
        """Never ends, and never pauses for long."""
        self.begin()
        while not self.server.closing.wait(0.02):
            self.piece(event({"content": "x"}))

    def behave_whole(self, text: str, body: dict[str, Any]) -> None:
        """Ignores that a stream was asked for."""
        choice: dict[str, Any] = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": text, "logprob": -0.5}]}
        usage = {"prompt_tokens": 7, "completion_tokens": 1}
        self.reply(200, json.dumps({"choices": [choice], "usage": usage, "model": "of-today"}).encode())

    def behave_retry(self, wait: str, body: dict[str, Any]) -> None:
        """Is busy at first, and says for how long."""
        if len(self.server.bodies) == 1:
            self.send_response(429)
            self.send_header("Retry-After", wait)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.behave_whole("now", body)

    def behave_splits(self, text: str, body: dict[str, Any]) -> None:
        """Splits the reasoning off, as vLLM does with a reasoning parser."""
        thought, _, answer = text.partition("|")
        self.begin()
        self.piece(event({"role": "assistant", "content": ""}) + b": a comment\n\n")
        for start in range(0, len(thought), PIECE):
            self.piece(event({"reasoning_content": thought[start : start + PIECE]}))
        self.piece(event({"content": answer}) + event({}, "stop") + b"data: [DONE]\n\n")
        self.end()

    def behave_short(self, text: str, body: dict[str, Any]) -> None:
        """Has a context too short for the limit of tokens, as vLLM tells it."""
        if "max_tokens" in body:
            message = "'max_tokens' is too large: 4096. This model's maximum context length is 1024 tokens"
            self.reply(400, json.dumps({"error": {"message": message}}).encode())
        else:
            self.behave_says(text, body)

    def behave_refuses(self, message: str, body: dict[str, Any]) -> None:
        self.reply(400, json.dumps({"error": {"message": message, "code": 400}}).encode())

    def behave_renamed(self, text: str, body: dict[str, Any]) -> None:
        """Knows the limit of tokens by its new name only, as OpenAI's later models."""
        if "max_tokens" in body:
            message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            error = {"message": message, "param": "max_tokens", "code": "unsupported_parameter"}
            self.reply(400, json.dumps({"error": error}).encode())
        else:
            self.behave_says(text, body)

    def behave_raw(self, text: str, body: dict[str, Any]) -> None:
        """Streams raw UTF-8, as vLLM does."""
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
        self.begin()
        self.piece(b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\ndata: [DONE]\n\n")
        self.end()

    def linger(self) -> None:
        """Stay silent until the client hangs up or the server closes."""
        self.connection.settimeout(0.05)
        deadline = time.monotonic() + 20
        while not self.server.closing.is_set() and time.monotonic() < deadline:
            try:
                if not self.connection.recv(1):
                    self.server.hung_up.set()
                    return
            except TimeoutError:
                continue


class Server(ThreadingHTTPServer):
    """The server, which refuses all but its `models` where it has such.

    `says:` waits for `pause` seconds. `bodies` and `headers` keep what it was sent, `hung_up` tells that a client left
    early.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = "says:hello"
        self.models: list[str] = []
        self.owner = ""
        self.health = (200, b"{}")
        self.logs = True
        self.pause = 0.0
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hung_up = threading.Event()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running() -> Iterator[Server]:
    """Run the server in a thread."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
