"""A scripted model behind real HTTP: it answers by a script, bills, and keeps books of what it was asked."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from scripted_http import JsonHandler, LocalServer

PRICE_IN, PRICE_OUT = 2.0, 8.0
LETTERS = 4


@dataclass(frozen=True)
class Question:
    """What a server was asked: text, pictures (RGB), the names of the answer's parts, seed."""

    text: str
    pictures: tuple[np.ndarray, ...]
    parts: frozenset[str]
    seed: int | None


@dataclass(frozen=True)
class Turn:
    """What a server does: `key` names the question in its books, and `purse` whose budget it is."""

    key: Hashable
    purse: str
    text: str = ""
    finish: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    usage: Any = None
    refusal: str = ""


class Books:
    """What a server knows of its own: requests by question, and what it billed, beside the bounds that were set."""

    def __init__(self) -> None:
        self.requests: Counter[Hashable] = Counter()
        self.billed: defaultdict[str, float] = defaultdict(float)
        self.bound: dict[str, float] = {}
        self.nearest: defaultdict[str, float] = defaultdict(float)
        self.over: list[str] = []
        # Connections that were made and closed without a request: who made them waited too long, or was killed.
        self.unused = 0
        self.lock = threading.Lock()

    def asked(self, key: Hashable) -> int:
        """Count a request; gives how many there were before."""
        with self.lock:
            self.requests[key] += 1
            return self.requests[key] - 1

    def bill(self, purse: str, into: int, out: int) -> None:
        """Add to a purse, and look at its bound at this very moment."""
        with self.lock:
            self.billed[purse] += (into * PRICE_IN + out * PRICE_OUT) / 1e6
            bound = self.bound.get(purse)
            if bound is not None:
                self.nearest[purse] = max(self.nearest[purse], self.billed[purse] / bound)
                if self.billed[purse] > bound:
                    self.over.append(f"{purse}: ${self.billed[purse]:.4f} of ${bound:.4f}")

    def total(self) -> int:
        with self.lock:
            return sum(self.requests.values())

    def judged(self) -> int:
        """Count the requests for verdicts."""
        with self.lock:
            return sum(
                count for key, count in self.requests.items() if isinstance(key, tuple) and key[1:2] == ("judge",)
            )

    def copy(self) -> Counter[Hashable]:
        with self.lock:
            return Counter(self.requests)


class Scripted(LocalServer):
    """The server. `script` is given the question and `books`, and counts the request itself."""

    def __init__(self, model: str, script: Callable[[Question, Books], Turn], seconds: float = 0.0) -> None:
        super().__init__(Handler)
        self.model, self.script, self.seconds = model, script, seconds
        self.books = Books()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked may be dead: that is no error here."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(JsonHandler):
    server: Scripted

    def handle(self) -> None:
        self.asked = False
        try:
            super().handle()
        finally:
            if not self.asked:
                with self.server.books.lock:
                    self.server.books.unused += 1

    def do_GET(self) -> None:
        self.asked = True
        self.reply(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})

    def do_POST(self) -> None:
        self.asked = True
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:
            # Whoever asked was killed in the middle of its question.
            self.close_connection = True
            return
        question = read_question(json.loads(data))
        turn = self.server.script(question, self.server.books)
        if turn.status == 200:
            into = 400 + len(question.text) // LETTERS + 200 * len(question.pictures)
            out = min(800, 1 + len(turn.text) // LETTERS)
            self.server.books.bill(turn.purse, into, out)
        time.sleep(self.server.seconds + turn.wait)
        if turn.status != 200:
            self.reply(turn.status, {"error": {"message": f"scripted {turn.status}"}}, turn.headers)
            return
        message: dict[str, Any] = {"role": "assistant", "content": turn.text}
        if turn.refusal:
            message |= {"content": None, "refusal": turn.refusal}
        choice = {"index": 0, "finish_reason": turn.finish, "message": message}
        told: dict[str, Any] = {"model": self.server.model, "choices": [choice]}
        usage = {"prompt_tokens": into, "completion_tokens": out} if turn.usage is None else turn.usage
        self.reply(200, told | ({"usage": usage} if usage != "none" else {}))


def read_question(body: dict[str, Any]) -> Question:
    """Take a request apart."""
    content = [part for message in body["messages"] for part in _parts(message["content"])]
    text = "\n".join(part["text"] for part in content if part["type"] == "text")
    pictures = tuple(_picture(part["image_url"]["url"]) for part in content if part["type"] == "image_url")
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return Question(text, pictures, frozenset(schema.get("properties", {})), body.get("seed"))


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _picture(url: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def phrase(question: Question) -> str:
    """Find the expression in a prompt of curation's."""
    found = re.search(r'The phrase is: "(.*)"', question.text)
    return found[1] if found else ""
