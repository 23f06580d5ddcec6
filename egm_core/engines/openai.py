"""The engine that speaks to any OpenAI-compatible server: vLLM, TensorRT-LLM, Edge-LLM, `egm_core.serve`.

Needs no torch, so a robot's node can use it. Each request is a task on one event loop in a thread of its own,
because a task can be cancelled: while the server thinks, between two tokens. Cancelling closes the connection, and
that is how such a server is told to stop. Each request has a pool of its own, for a shared one may lose a place for
good with each request that is cancelled in an unlucky moment (encode/httpcore#1093), and hang once all are lost.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterable, Iterator
from functools import partial

from egm_core.engines.answer_book import AnswerBook
from egm_core.engines.base import Chunk, Engine, EngineError, Health, Request, computed_by
from egm_core.engines.http.connection import connection
from egm_core.engines.http.exchange import Exchange, Job
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.http.served_models import Wanted
from egm_core.engines.http.server import Server
from egm_core.engines.pictures import FORMATS, PictureFormat
from egm_core.families.thinking import Thinking
from egm_core.servers.dialect import Dialect, Grammar
from egm_core.servers.known import DIALECTS

THINKING_WAIT = 10.0


class OpenAIEngine(Engine):
    """A vision-language model behind the OpenAI chat API at `url` (with or without `/v1`).

    `model` None takes the only one that the server lists, `Wanted` says how to choose. The API key is read from the
    environment variable `api_key_env` where that is set; it goes over TLS, to this machine, or in clear to the hosts
    of `clear_hosts`, and a warning says where it does not go. `dialect` "auto" asks the server who it is. `verify` is
    True, False, or the path of a CA bundle. `image_format` "png" keeps every pixel, "jpeg" is smaller and quicker.
    `precision` is the one that the server was started with, where that is known.
    """

    def __init__(
        self,
        url: str,
        model: str | Wanted | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        dialect: str = "auto",
        timeouts: Timeouts | None = None,
        verify: bool | str = True,
        image_format: PictureFormat = "png",
        clear_hosts: Iterable[str] = (),
        precision: str = "auto",
    ) -> None:
        if dialect != "auto" and dialect not in DIALECTS:
            raise ValueError(f"unknown dialect {dialect!r}; there are auto, {', '.join(DIALECTS)}")
        if image_format not in FORMATS:
            raise ValueError(f"unknown image format {image_format!r}; there are {' and '.join(FORMATS)}")
        reached = connection(url, api_key_env, timeouts or Timeouts(), verify, clear_hosts)
        self.url = reached.url
        self._server = Server(reached, model if isinstance(model, Wanted) else Wanted(model or ""), dialect)
        self._precision = precision
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._book: AnswerBook[Job] = AnswerBook(self._loop)
        self._exchange = Exchange(reached, self._server, image_format, self._book.put)
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-engine", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> str:
        """Name of the server's dialect; "" as long as it isn't known."""
        return self._server.called

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Send a request at once and give its answer as it arrives; closing the iterator aborts it."""
        job = Job(request)
        self._book.enter(job, partial(self._begin, job)).add_done_callback(partial(self._ended, job))
        return self._book.pieces(job)

    def abort(self, request_id: str) -> None:
        """Stop a request now: its connection is closed, which tells the server."""
        self._book.stop(request_id)

    def health(self, patience: float = 2.0) -> Health:
        """Ask the server how it is: `/health` where it has that, its model list otherwise, `patience` seconds each."""
        if self._closed:
            return Health("closed", "the engine was closed", self._server.model)
        future = asyncio.run_coroutine_threadsafe(self._server.health(patience), self._loop)
        try:
            return future.result(timeout=2 * patience)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            return Health("starting", f"{self.url} does not answer within {2 * patience:g} s", self._server.model)

    def grammar(self) -> Grammar:
        """Tell from the dialect; asks the server who it is where that isn't known yet."""
        dialect = self._told_dialect()
        return dialect.grammar if dialect else "none"

    def thinking(self) -> Thinking | None:
        """Tell from what the server says of itself, or from a chat that it writes with its template; asks once."""
        server = self._server
        if not server.asked_thinking and self.health().state == "ready":
            future = asyncio.run_coroutine_threadsafe(server.ask_thinking(), self._loop)
            try:
                server.thinking = future.result(timeout=THINKING_WAIT) or server.thinking
            except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
                return server.thinking
            server.asked_thinking = True
        return server.thinking

    def kind(self) -> str:
        """Tell from the dialect; asks the server who it is where that isn't known yet."""
        dialect = self._told_dialect()
        return computed_by(dialect.program, self._precision) if dialect else ""

    def _told_dialect(self) -> Dialect | None:
        if self._server.dialect is None:
            self.health()
        return self._server.dialect

    def close(self) -> None:
        """Abort everything and close all connections."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._book.close()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _begin(self, job: Job) -> concurrent.futures.Future[None]:
        return asyncio.run_coroutine_threadsafe(self._exchange.answer(job), self._loop)

    def _ended(self, job: Job, answering: concurrent.futures.Future[None]) -> None:
        """Leave nobody waiting for ever, where reading an answer raised what has no words of its own."""
        error = None if answering.cancelled() else answering.exception()
        if error is not None:
            self._book.put(job, EngineError("engine_failed", f"{type(error).__name__}: {error}"))

    async def _close(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.close()
