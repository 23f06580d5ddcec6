"""The times of one question, from the picture in memory to the last word of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from egm_core.engines.base import Engine, EngineError, Request

# Seconds between two tokens below which they came together.
TOGETHER = 0.0002


@dataclass(frozen=True)
class Timed:
    """When the first and the last token of an answer were there, in seconds after it was asked for, and when it ended.

    `bunched` counts the tokens that came together with the one before: no engine makes them so fast, so they had waited
    on their way. `error` says why there was no answer; its times are then worth nothing.
    """

    first: float = 0.0
    last: float = 0.0
    total: float = 0.0
    tokens: int = 0
    finish: str = ""
    error: str = ""
    bunched: int = 0

    @property
    def token(self) -> float | None:
        """Seconds from one token to the next; None for answers of one token."""
        return (self.last - self.first) / (self.tokens - 1) if self.tokens > 1 else None


def timed(engine: Engine, posed: Callable[[], Request]) -> Timed:
    """Put a question and time its answer; `posed` makes it, which is part of the time.

    An engine that tells no tokens is counted by the pieces of text that it sends.
    """
    began = time.perf_counter()
    first = last = 0.0
    tokens, bunched, finish = 0, 0, ""
    try:
        for chunk in engine.generate(posed()):
            now = time.perf_counter() - began
            new = len(chunk.tokens) or int(bool(chunk.text))
            if new:
                bunched += new - 1 + int(tokens > 0 and now - last < TOGETHER)
                first, last = first or now, now
            tokens += new
            finish = chunk.finish or finish
    except (EngineError, ValueError) as error:
        return Timed(error=" ".join(str(error).split()))
    if not tokens:
        return Timed(error="an answer without a word")
    return Timed(first, last, time.perf_counter() - began, tokens, finish, bunched=bunched)
