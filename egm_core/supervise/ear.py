"""Hears whether anything of an answer comes from an engine, so that a slow one is told from a mute one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from egm_core.engines.base import Chunk, Engine, EngineError, Health, Request
from egm_core.servers.dialect import Grammar


class EngineEar(Engine):
    """An engine, and what is heard of it.

    A query that was given up after `patience` seconds without a piece of its answer is left to run to its end, one at
    a time; whoever asked has stopped listening.  Every other one is aborted as usual.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        self.engine = engine
        self.patience = patience
        self.longest = 0.0
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}
        self._spoke: set[str] = set()
        self._left = ""
        self._heard = 0.0

    def unanswered(self) -> float:
        """Give for how many seconds the query that was left has run while no piece of any answer came; else 0."""
        with self._lock:
            began = self._began.get(self._left)
            return time.monotonic() - began if began is not None and self._heard < began else 0.0

    def hush(self) -> None:
        """Abort the query that was left to run, for nobody needs to know any more."""
        with self._lock:
            left, self._left = self._left, ""
        if left:
            self.engine.abort(left)

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Answer a request, and note when its pieces come and how long it takes."""
        began = time.monotonic()
        with self._lock:
            self._began[request.id] = began
        try:
            for chunk in self.engine.generate(request):
                if chunk.finish != "abort":
                    self._note(request.id)
                if chunk.finish not in (None, "abort"):
                    self.longest = max(self.longest, time.monotonic() - began)
                yield chunk
        except GeneratorExit:
            # Who leaves after a piece has heard enough: a box that is complete.
            if request.id in self._spoke:
                self.longest = max(self.longest, time.monotonic() - began)
            raise
        except EngineError as error:
            # Whatever a server says, it is not mute.
            if error.reason.startswith("engine_http_"):
                self._note(request.id)
            raise
        finally:
            with self._lock:
                self._began.pop(request.id, None)
                self._spoke.discard(request.id)
                self._left = "" if self._left == request.id else self._left

    def abort(self, request_id: str) -> None:
        """Stop a request, unless it is the one to be left."""
        with self._lock:
            began = self._began.get(request_id)
            waited = time.monotonic() - began if began is not None else 0.0
            # The clock of who asks began a little earlier.
            if not self._left and waited > 0.9 * self.patience and request_id not in self._spoke:
                self._left = request_id
            left = self._left == request_id
        if not left:
            self.engine.abort(request_id)

    def start(self) -> None:
        """Begin loading."""
        self.engine.start()

    def health(self) -> Health:
        """Say how the engine is."""
        return self.engine.health()

    def grammar(self) -> Grammar:
        """Say what a grammar is worth there."""
        return self.engine.grammar()

    def kind(self) -> str:
        """Name the program that computes the answers."""
        return self.engine.kind()

    def close(self) -> None:
        """Abort everything and free the engine."""
        self.engine.close()

    def _note(self, request_id: str) -> None:
        with self._lock:
            self._heard = time.monotonic()
            self._spoke.add(request_id)
