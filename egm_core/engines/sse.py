"""Reads the answer of an OpenAI-compatible server: server-sent events, or one JSON where it does not stream.

Reasoning that a server splits off into a field of its own is joined to the text again as `<think>...</think>`,
so that every engine gives the same text.
"""

from __future__ import annotations

import json
from typing import Any

from egm_core.engines.base import Chunk, EngineError, Token

FINISHES = {"length": "length", "abort": "abort"}
SHOWN = 200


def excerpt(text: str) -> str:
    """Shorten a server's text to what fits into an error message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else flat[:SHOWN] + "..."


def error_message(text: str) -> str:
    """Find the message in a server's error body (OpenAI's or FastAPI's shape, or plain text)."""
    try:
        data = json.loads(text)
    except ValueError:
        return excerpt(text)
    for key in ("error", "message", "detail"):
        if isinstance(data, dict) and data.get(key):
            data = data[key]
    return excerpt(data if isinstance(data, str) else json.dumps(data))


class Reader:
    """Turns the events of one answer into chunks; a Reader serves one answer only."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.events = 0
        self.done = False
        self._thinking = False

    def line(self, line: str) -> Chunk | None:
        """Read one line of an event stream; gives a chunk where it carries text, tokens or the end."""
        if not line.strip() or line.startswith(":") or line.startswith(("event:", "id:", "retry:")):
            return None
        if not line.startswith("data:"):
            raise EngineError("engine_garbage", f"not an event of a stream: {excerpt(line)!r}")
        data = line[5:].strip()
        if data == "[DONE]":
            self.done = True
            return None
        try:
            event = json.loads(data)
        except ValueError as error:
            raise EngineError("engine_garbage", f"not JSON: {excerpt(data)!r}") from error
        return self.event(event, "delta")

    def event(self, event: Any, field: str) -> Chunk | None:
        """Read one event, whose text lies in `delta` (streams) or `message` (whole answers)."""
        try:
            if event.get("error"):
                raise EngineError("engine_failed", error_message(json.dumps(event)))
            self.events += 1
            if not event["choices"]:
                return None
            choice = event["choices"][0]
            delta = choice.get(field) or {}
            thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
            content = delta.get("content") or ""
            logged = (choice.get("logprobs") or {}).get("content") or []
            tokens = [(str(entry["token"]), float(entry["logprob"])) for entry in logged]
            finish = choice.get("finish_reason")
            if not isinstance(thought, str) or not isinstance(content, str):
                raise TypeError(f"text is {type(content).__name__}")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise EngineError("engine_garbage", f"not a chat answer ({error}): {excerpt(str(event))!r}") from error
        pieces: list[str] = []
        if thought:
            pieces += [thought] if self._thinking else ["<think>", thought]
            self._thinking = True
        if content and self._thinking:
            pieces.append("</think>")
            self._thinking = False
        pieces.append(content)
        text = "".join(pieces)
        if finish:
            self.finish = FINISHES.get(finish, "stop")
        if not text and not self.finish:
            return None
        return Chunk(text, _aligned(text, tokens) if logged else (), self.finish)


def _aligned(text: str, logged: list[tuple[str, float]]) -> tuple[Token, ...]:
    """Lay the logged tokens along the text; text that no token spells becomes one without a probability."""
    tokens: list[Token] = []
    rest = text
    for spelt, logprob in logged:
        at = rest.find(spelt) if spelt else -1
        if at < 0:
            continue
        if at > 0:
            tokens.append(Token(rest[:at]))
        tokens.append(Token(spelt, logprob))
        rest = rest[at + len(spelt) :]
    if rest:
        tokens.append(Token(rest))
    return tuple(tokens)
