"""The answers that an engine has under way: each is handed over piece by piece, ends once, and can be stopped.

The engine's event loop computes or fetches them, and other threads read them and stop them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

from egm_core.engines.base import Chunk, EngineError, Request, handed_over


@dataclass(eq=False)
class Entry:
    """One answer under way; `task` is what works on it and is cancelled where the answer is stopped."""

    request: Request
    chunks: SimpleQueue[Chunk | EngineError] = field(default_factory=SimpleQueue)
    ended: bool = False
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Cancel the task, once: a second time would cut its clearing up short."""
        if self.task is not None:
            self.task.cancel()
            self.task = None


_E = TypeVar("_E", bound=Entry)
_B = TypeVar("_B")


class AnswerBook(Generic[_E]):
    """The book of one engine, whose tasks run on `loop`. Usable from several threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._entries: set[_E] = set()
        self._closed = False

    def enter(self, entry: _E, begin: Callable[[], _B]) -> _B:
        """Enter an answer and have `begin` begin it, before anybody can stop it or close the book.

        Raises EngineError where the book is closed, or has an answer of that id.
        """
        with self._lock:
            if self._closed:
                raise EngineError("engine_closed", "the engine was closed")
            name = entry.request.id
            if any(other.request.id == name for other in self._entries):
                raise EngineError("engine_request", f"a request with id {name!r} is already running")
            self._entries.add(entry)
            return begin()

    def pieces(self, entry: _E) -> Iterator[Chunk]:
        """Give an answer as it comes; closing the iterator stops it."""
        try:
            yield from handed_over(entry.chunks)
        finally:
            self._stop(entry)

    def put(self, entry: _E, item: Chunk | EngineError) -> None:
        """Hand over a piece of an answer, or its error; nothing any more once it has ended."""
        with self._lock:
            if entry.ended:
                return
            if isinstance(item, EngineError) or item.finish is not None:
                entry.ended = True
                self._entries.discard(entry)
        entry.chunks.put(item)

    def stop(self, request_id: str) -> None:
        """Stop the answer to a request, which then ends with finish "abort"; an unknown id is ignored."""
        with self._lock:
            entries = [entry for entry in self._entries if entry.request.id == request_id]
        for entry in entries:
            self._stop(entry)

    def close(self) -> None:
        """Stop every answer, and take no further one."""
        with self._lock:
            self._closed = True
            entries = list(self._entries)
        for entry in entries:
            self._stop(entry)

    def _stop(self, entry: _E) -> None:
        with self._lock:
            self._entries.discard(entry)
            if entry.ended:
                return
            entry.ended = True
        # Another thread may have closed the loop meanwhile, with all its tasks.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(entry.cancel)
        entry.chunks.put(Chunk("", (), "abort"))
