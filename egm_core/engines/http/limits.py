"""How a server wants the limit of an answer's tokens, learnt from what it refuses, for each shape of request.

A refusal that merely names `max_tokens` says nothing about the parameter. One that says that it is unknown, or too
much for the context, is asked again another way, and what worked is kept for requests of that shape alone.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import Literal

from egm_core.engines.base import Request

Limit = Literal["max_tokens", "max_completion_tokens", ""]
_NAMES = ("max_tokens", "max_completion_tokens")
_UNKNOWN = re.compile(
    r"unsupported|not supported|unrecognized|unrecognised|unknown|unexpected|not permitted|not allowed|deprecated"
)
_CONTEXT = re.compile(
    r"context (length|window|size)|context_length|max_model_len|max_seq_len|maximum sequence|model'?s maximum"
)
_TOO_MUCH = re.compile(r"too (large|big|long|high|many)|exceed|at most|less than or equal|greater than the|must be <=")
_log = logging.getLogger("egm.engine")


def next_field(tried: Limit, body: str) -> Limit | None:
    """Give the field to ask with next, "" for none, where a server's 400 refuses the one tried; else None."""
    if not tried:
        return None
    text, parameter, code = _told(body)
    about = parameter in _NAMES or any(name in text for name in _NAMES)
    if code == "context_length_exceeded" or _CONTEXT.search(text) or (about and _TOO_MUCH.search(text)):
        return ""
    if about and (_UNKNOWN.search(text) or code in ("unsupported_parameter", "unknown_parameter")):
        return "max_completion_tokens" if tried == "max_tokens" else ""
    return None


def _told(body: str) -> tuple[str, str, str]:
    """Give a refusal's text in small letters, the parameter it is about, and its code."""
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return body.lower(), "", ""
    if isinstance(error, dict) and isinstance(error.get("error"), dict):
        error = error["error"]
    if not isinstance(error, dict):
        return body.lower(), "", ""
    return body.lower(), str(error.get("param") or ""), str(error.get("code") or "")


class LimitFields:
    """What worked with one server; usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], tuple[int, Limit]] = {}

    def field(self, request: Request) -> Limit:
        """Give the field to ask a request with first."""
        with self._lock:
            length, known = self._known.get(_shape(request), (0, "max_tokens"))
        # Where the context is what is short, a shorter prompt may still have room for the limit.
        return known if len(request.prompt) >= length else "max_tokens"

    def learn(self, request: Request, field: Limit, url: str, why: str) -> None:
        """Keep what worked after a refusal, and say so."""
        shape = _shape(request)
        with self._lock:
            known = self._known.get(shape)
            length = len(request.prompt)
            self._known[shape] = (min(length, known[0]) if known and known[1] == field else length, field)
        if known is None:
            how = f"as {field}" if field else "by none, and the answer is cut here"
            _log.warning(
                "%s refuses max_tokens %d for pictures of %d x %d (%s): such answers are limited %s",
                url, request.sampling.max_tokens, request.image.shape[1], request.image.shape[0], why, how,
            )  # fmt: skip


def _shape(request: Request) -> tuple[object, ...]:
    return (request.image.shape, request.sampling.max_tokens)
