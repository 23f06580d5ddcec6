"""Reads the answer of an OpenAI-compatible server: server-sent events, or one JSON where it does not stream.

Reasoning that a server splits off into a field of its own is joined to the text again as `<think>...</think>`,
so that every engine gives the same text.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from egm_core.engines.base import Chunk, EngineError, Token

LENGTH = ("length", "max_tokens", "model_length")
STOP = ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "tool_calls", "function_call")
GIVEN_UP = ("abort", "aborted", "cancelled", "canceled", "cancel")
FAILED = ("error", "failed", "timeout")
# Google hands its own words on, some of them after OpenAI's and a colon.
WITHHELD = ("content_filter", "function_call_filter", "safety", "image_safety", "recitation", "prohibited_content",
            "blocklist", "spii", "malformed_function_call", "refusal", "sensitive")  # fmt: skip
# What a server means where it tells an error by its type alone, within a stream that began with 200.
STATUS_OF = {"invalid_request_error": 400, "authentication_error": 401, "permission_error": 403,
             "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "rate_limit_exceeded": 429,
             "api_error": 500, "server_error": 500, "internal_server_error": 500, "overloaded_error": 529,
             "timeout_error": 504}  # fmt: skip
PINGS = ("ping", "keepalive", "keep-alive", "heartbeat")
SHOWN = 200
_log = logging.getLogger("egm.engine")
_Logged = tuple[str, float | None]


def excerpt(text: str) -> str:
    """Shorten a server's text to what fits into an error message."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN else flat[:SHOWN] + "..."


def error_message(text: str) -> str:
    """Find the message in a server's error body (OpenAI's or FastAPI's shape, or plain text)."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return excerpt(text)
    for key in ("error", "message", "detail"):
        if isinstance(data, dict) and data.get(key):
            data = data[key]
    return excerpt(data if isinstance(data, str) else json.dumps(data))


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Split a stream of bytes into lines as events have them: at CR, LF or both, and at nothing else.

    Python's own lines also end at U+2028 and others, which JSON may hold unescaped.
    """
    # The pieces of a line are joined once, at its end: a long one may come in thousands.
    begun: list[bytes] = []
    held = b""
    async for piece in pieces:
        piece = held + piece
        # A CR at the end may be the first half of CR LF.
        held = b"\r" if piece.endswith(b"\r") else b""
        first, *others = re.split(rb"\r\n|\n|\r", piece.removesuffix(held))
        begun.append(first)
        for other in others:
            yield b"".join(begun).decode("utf-8", "replace")
            begun = [other]
    rest = b"".join(begun)
    if rest or held:
        yield rest.decode("utf-8", "replace")


class Reader:
    """Turns the events of one answer into chunks; a Reader serves one answer only."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.events = 0
        self.done = False
        self.usage: dict[str, Any] = {}
        # The same as the server told it, whatever that is; None where it told nothing.
        self.told: Any = None
        # The name of the first tool that the answer calls; nobody here offers one.
        self.called = ""
        self._thinking = False
        self._kind = ""
        self._begun = ""
        self._owed: list[_Logged] = []
        self._index: int | None = None

    def line(self, line: str) -> Chunk | None:
        """Read one line of an event stream; gives a chunk where it carries text, tokens or the end."""
        line = line.removeprefix("\ufeff")
        if not line.strip():
            self.close()
            self._kind = ""
            return None
        if line.startswith("event:"):
            self._kind = line[6:].strip().lower()
            return None
        if line.startswith((":", "id:", "retry:")):
            return None
        if not line.startswith("data:"):
            raise EngineError("engine_garbage", f"not an event of a stream: {excerpt(line)!r}")
        data = line[5:].strip()
        if data == "[DONE]":
            self.done = True
            return None
        if self._kind in PINGS or not data:
            return None
        try:
            event = json.loads(self._begun + data)
        except ValueError:
            # The data of an event may go on in the next line.
            self._begun += data + "\n"
            if not self._begun.startswith(("{", "[")):
                self.close()
            return None
        self._begun = ""
        if self._kind == "error" and isinstance(event, dict) and not event.get("error"):
            event = {"error": event}
        return self.event(event, "delta")

    def close(self) -> None:
        """Raise EngineError where the last event broke off."""
        begun, self._begun = self._begun, ""
        if begun:
            raise EngineError("engine_garbage", f"not JSON: {excerpt(begun)!r}")

    def event(self, event: Any, field: str) -> Chunk | None:
        """Read one event, whose text lies in `delta` (streams) or `message` (whole answers).

        The last chunk has the tokens that were counted until then, where the server tells them; so has an EngineError.
        """
        usage = event.get("usage") if isinstance(event, dict) else None
        self.usage = usage if isinstance(usage, dict) else self.usage
        self.told = self.told if usage is None else usage
        try:
            chunk = self._event(event, field)
            return replace(chunk, usage=self.told) if chunk is not None and chunk.finish else chunk
        except EngineError as error:
            error.usage = self.usage
            raise

    def _own(self, choices: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Choose among the answers of an event: the one of the lowest index, and the same in all events of a stream."""
        if self._index is None:
            self._index = min(map(_index, choices))
        return next((choice for choice in choices if _index(choice) == self._index), None)

    def _event(self, event: Any, field: str) -> Chunk | None:
        try:
            if event.get("error") or event.get("object") == "error":
                raise _trouble(event)
            if "choices" not in event and str(event.get("type")).lower() in PINGS:
                return None
            self.events += 1
            if not event["choices"]:
                return None
            choice = self._own(event["choices"])
            if choice is None:
                return None
            delta = choice.get(field) or {}
            thought = _text(delta.get("reasoning_content") or delta.get("reasoning"))
            # OpenAI tells a model's refusal in a field of its own, and then no content.
            content = _text(delta.get("content")) or _text(delta.get("refusal"))
            self.called = self.called or _tool(delta)
            tokens = _logged(choice.get("logprobs"))
            finish = choice.get("finish_reason")
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
            self.finish = _finish(str(finish))
        if not text and not self.finish:
            # Some servers tell of a token before its text, such as of half a character.
            self._owed += tokens
            return None
        aligned: tuple[Token, ...] = ()
        if tokens or self._owed:
            aligned, self._owed = _aligned(text, self._owed, tokens)
        return Chunk(text, aligned, self.finish)


def _index(choice: dict[str, Any]) -> int:
    """Give a choice's index; one that tells none is the first."""
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _trouble(event: dict[str, Any]) -> EngineError:
    """Make the error that a server tells in place of an answer; its code says whose fault it was."""
    error = event.get("error")
    told = error if isinstance(error, dict) else event
    code = told.get("code")
    code = code if str(code).isdecimal() else STATUS_OF.get(str(told.get("type")), code)
    known = str(code).isdecimal() and 400 <= int(str(code)) < 600
    return EngineError(f"engine_http_{code}" if known else "engine_failed", error_message(json.dumps(event)))


def _finish(told: str) -> str:
    """Give our word for why an answer ended; EngineError where what came is no answer."""
    name = told.lower().partition(":")[0].strip()
    if name in FAILED or name in WITHHELD:
        reason = "engine_failed" if name in FAILED else "engine_request"
        raise EngineError(reason, f"the server ended the answer with finish_reason {told!r}")
    if name in LENGTH or name in GIVEN_UP:
        return "length" if name in LENGTH else "abort"
    if name not in STOP:
        _log.warning("the server ended an answer with an unknown finish_reason %r; it counts as whole", told)
    return "stop"


def _tool(delta: Mapping[str, Any]) -> str:
    """Name the first tool that a message calls, by either of OpenAI's fields; nothing where it calls none."""
    calls = delta.get("tool_calls")
    first = calls[0] if isinstance(calls, list) and calls else {"function": delta.get("function_call")}
    function = first.get("function") if isinstance(first, dict) else None
    return str(function.get("name") or "") if isinstance(function, dict) else ""


def _text(value: Any) -> str:
    """Give a field's text, which may come as a list of parts; TypeError for anything else."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text is {type(value).__name__}")
    return value or ""


def _logged(logprobs: Any) -> list[_Logged]:
    """Give the tokens that a server tells of; what is no finite probability is one that is not known."""
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    tokens: list[_Logged] = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("token"), str):
            value: Any = entry.get("logprob")
            # Whole numbers of JSON may be too large for a float.
            known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
            tokens.append((entry["token"], min(float(value), 0.0) if known else None))
    return tokens


def _aligned(text: str, owed: list[_Logged], logged: list[_Logged]) -> tuple[tuple[Token, ...], list[_Logged]]:
    """Lay the logged tokens along the text; gives with them those whose text is still to come.

    Text that no token spells becomes one without a probability. A token of before counts only where it stands next.
    """
    tokens: list[Token] = []
    rest = text
    for spelt, logprob in owed:
        if spelt and rest.startswith(spelt):
            tokens.append(Token(spelt, logprob))
            rest = rest[len(spelt) :]
    still: list[_Logged] = []
    for spelt, logprob in logged:
        at = rest.find(spelt) if spelt else -1
        if at < 0:
            still.append((spelt, logprob))
            continue
        still.clear()
        if at > 0:
            tokens.append(Token(rest[:at]))
        tokens.append(Token(spelt, logprob))
        rest = rest[at + len(spelt) :]
    if rest:
        tokens.append(Token(rest))
    return tuple(tokens), still
