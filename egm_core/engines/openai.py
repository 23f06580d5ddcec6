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
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from egm_core.engines.answer_book import AnswerBook, Entry
from egm_core.engines.base import Chunk, Engine, EngineError, Health, Request, computed_by
from egm_core.engines.http import failures
from egm_core.engines.http.address import api_root, checked
from egm_core.engines.http.chat_body import chat_body
from egm_core.engines.http.failures import Timeouts, named, retry_after
from egm_core.engines.http.follow import follow
from egm_core.engines.http.keys import authorization, is_loopback, key_refusal, tls_context
from egm_core.engines.http.left_out import LeftOut
from egm_core.engines.http.limits import Limit, LimitFields, next_field
from egm_core.engines.http.patience import Patience
from egm_core.engines.http.served_models import Wanted, choose, read_list, unknown_model
from egm_core.engines.http.sse import Reader, error_message, excerpt
from egm_core.engines.pictures import FORMATS, PictureFormat
from egm_core.families.thinking import PROBE, PROBED, Thinking, thinking_of
from egm_core.servers.dialect import Dialect, Grammar
from egm_core.servers.known import DIALECTS, dialect_of

THINKING_WAIT = 10.0


@dataclass(eq=False)
class _Job(Entry):
    refusal: str = ""
    refused: str = ""
    status: int = 0
    uncounted: bool = False


async def _allowed(job: _Job) -> None:
    """Raise EngineError where a request that was refused may not be put anew."""
    again = job.request.again
    if again is not None and not await asyncio.to_thread(again):
        raise EngineError(f"engine_http_{job.status}", f"{job.refused}; the budget allows no further attempt")


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
        parts = checked(url)
        if dialect != "auto" and dialect not in DIALECTS:
            raise ValueError(f"unknown dialect {dialect!r}; there are auto, {', '.join(DIALECTS)}")
        if image_format not in FORMATS:
            raise ValueError(f"unknown image format {image_format!r}; there are {' and '.join(FORMATS)}")
        self.url, self._api = api_root(url)
        self.timeouts = timeouts or Timeouts()
        self._wanted = model if isinstance(model, Wanted) else Wanted(model or "")
        self._model = self._wanted.name
        self._dialect: Dialect | None = None if dialect == "auto" else DIALECTS[dialect]
        self._told_dialect = dialect != "auto"
        self._described = False
        self._refused = False
        self._image_format = image_format
        self._precision = precision
        self._limits = LimitFields()
        self._left_out = LeftOut()
        self._counts = False
        self._thinking: Thinking | None = None
        self._asked_thinking = False
        self._lock = threading.Lock()
        self._closed = False
        hosts = tuple(clear_hosts)
        self._keyless = key_refusal(self.url, api_key_env, hosts)
        self._client_options: dict[str, Any] = {
            "base_url": self.url,
            "headers": authorization(self.url, api_key_env, hosts),
            "verify": tls_context(verify if parts.scheme == "https" else False),
            "timeout": httpx.Timeout(self.timeouts.read, connect=self.timeouts.connect),
            # Servers drop idle connections after about five seconds; a request must not meet a dropped one.
            "limits": httpx.Limits(keepalive_expiry=3.0),
            "trust_env": not is_loopback(parts.hostname),
        }
        self._loop = asyncio.new_event_loop()
        self._book: AnswerBook[_Job] = AnswerBook(self._loop)
        self._client: httpx.AsyncClient | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-engine", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> str:
        """Name of the server's dialect; "" as long as it isn't known."""
        return self._dialect.name if self._dialect else ""

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Send a request at once and give its answer as it arrives; closing the iterator aborts it."""
        job = _Job(request)
        answering = self._book.enter(job, lambda: asyncio.run_coroutine_threadsafe(self._answer(job), self._loop))
        answering.add_done_callback(partial(self._ended, job))
        return self._book.pieces(job)

    def abort(self, request_id: str) -> None:
        """Stop a request now: its connection is closed, which tells the server."""
        self._book.stop(request_id)

    def health(self, patience: float = 2.0) -> Health:
        """Ask the server how it is: `/health` where it has that, its model list otherwise, `patience` seconds each."""
        if self._closed:
            return Health("closed", "the engine was closed", self._model)
        future = asyncio.run_coroutine_threadsafe(self._health(patience), self._loop)
        try:
            return future.result(timeout=2 * patience)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            return Health("starting", f"{self.url} does not answer within {2 * patience:g} s", self._model)

    def grammar(self) -> Grammar:
        """Tell from the dialect; asks the server who it is where that isn't known yet."""
        if self._dialect is None:
            self.health()
        return self._dialect.grammar if self._dialect else "none"

    def thinking(self) -> Thinking | None:
        """Tell from what the server says of itself, or from a chat that it writes with its template; asks once."""
        if not self._asked_thinking and self.health().state == "ready":
            future = asyncio.run_coroutine_threadsafe(self._ask_thinking(), self._loop)
            try:
                self._thinking = future.result(timeout=THINKING_WAIT) or self._thinking
            except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
                return self._thinking
            self._asked_thinking = True
        return self._thinking

    def kind(self) -> str:
        """Tell from the dialect; asks the server who it is where that isn't known yet."""
        if self._dialect is None:
            self.health()
        return computed_by(self._dialect.program, self._precision) if self._dialect else ""

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

    def _ended(self, job: _Job, answering: concurrent.futures.Future[None]) -> None:
        """Leave nobody waiting for ever, where reading an answer raised what has no words of its own."""
        error = None if answering.cancelled() else answering.exception()
        if error is not None:
            self._book.put(job, EngineError("engine_failed", f"{type(error).__name__}: {error}"))

    async def _close(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(**self._client_options)
        return self._client

    async def _health(self, patience: float) -> Health:
        health = await self._poll(patience)
        self._described &= health.state == "ready"
        return health

    async def _poll(self, patience: float) -> Health:
        name = self._model
        try:
            for path in ("/health", f"{self._api}/models"):
                answer = await self._connected().get(path, timeout=patience)
                if answer.is_success:
                    await self._describe()
                    return Health("ready", f"{self.dialect} server at {self.url}", self._model)
                if answer.status_code == 503:
                    return self._unavailable(answer, name)
                if answer.status_code not in (404, 405):
                    break
        except httpx.HTTPError as error:
            return Health("starting", f"nothing answers at {self.url} ({named(error)})", name)
        except EngineError as error:
            return Health("failed", str(error), name)
        return Health("failed", f"{self.url} answers {answer.status_code}: {error_message(answer.text)}", name)

    @staticmethod
    def _unavailable(answer: httpx.Response, name: str) -> Health:
        """Read a 503: `egm_core.serve` says whether it is starting or has failed, others only start."""
        try:
            data = answer.json()
            failed = isinstance(data, dict) and data.get("state") == "failed"
        except (ValueError, RecursionError):
            failed = False
        return Health("failed" if failed else "starting", error_message(answer.text), name)

    async def _describe(self) -> None:
        """Find out which model and what kind of server this is, once, and anew after it was away."""
        if self._described or (self._told_dialect and self._wanted.name and not self._refused):
            return
        answer = await self._connected().get(f"{self._api}/models")
        if not answer.is_success:
            raise EngineError(f"engine_http_{answer.status_code}", f"/v1/models: {error_message(answer.text)}")
        models = read_list(answer.text, self.url)
        # Some servers list one name and take any: only one that has refused the given name is held to its list.
        chosen = models[0] if self._wanted.name and not self._refused else choose(models, self._wanted, self.url)
        self._model = self._wanted.name or chosen.name
        if not self._told_dialect:
            self._dialect = dialect_of(chosen.owner)
        self._thinking, self._asked_thinking = chosen.thinking, chosen.thinking is not None
        self._described, self._refused = True, False

    async def _renamed(self, asked: str) -> bool:
        """Read the list anew, as the server has no model of that name; True where ours goes by another one now."""
        if self._model == asked:
            self._described, self._refused = False, True
            try:
                await self._describe()
            except EngineError as error:
                if error.reason == "engine_wrong_model":
                    raise
                # Without a list there is only what the server said.
                self._refused = False
        return self._model != asked

    async def _ask_thinking(self) -> Thinking | None:
        """Have vLLM write a chat with the model's template, in every way that may differ; None where it cannot."""
        if self._thinking is not None or self._dialect is None or not self._dialect.writes_chats:
            return self._thinking
        written: dict[str, str] = {}

        async def write(chat: list[dict[str, Any]], arguments: dict[str, Any]) -> None:
            body = {"model": self._model, "messages": chat, "chat_template_kwargs": arguments}
            tokens = (await self._connected().post("/tokenize", json=body)).raise_for_status().json()["tokens"]
            body = {"model": self._model, "tokens": tokens}
            text = (await self._connected().post("/detokenize", json=body)).raise_for_status().json()["prompt"]
            written[repr(arguments)] = str(text)

        try:
            await asyncio.gather(*(write(PROBE, arguments) for arguments in PROBED))
            return thinking_of(lambda chat, arguments: written[repr(arguments)])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    async def _answer(self, job: _Job) -> None:
        try:
            async with Patience(self.timeouts.total):
                await self._describe()
                limit: Limit | None = self._limits.field(job.request)
                while limit is not None:
                    limit = await self._exchange(job, limit)
                    if limit is not None:
                        await _allowed(job)
        except EngineError as error:
            self._book.put(job, error)
        except failures.FAILURES as error:
            self._book.put(job, failures.of(error, self.url, self.timeouts))

    async def _exchange(self, job: _Job, limit: Limit) -> Limit | None:
        """Ask once and read the answer; where the server wants to be asked anew, give the field to limit it with."""
        if job.ended:
            return None
        job.task = asyncio.current_task()
        written = (job.request, self._model, limit, self._image_format, self._dialect)
        body = self._left_out.strip(await asyncio.to_thread(chat_body, *written))
        if job.uncounted:
            body.pop("stream_options", None)
        async with (
            httpx.AsyncClient(**self._client_options) as client,
            client.stream("POST", f"{self._api}/chat/completions", json=body) as response,
        ):
            if not response.is_success:
                text = (await response.aread()).decode("utf-8", "replace")
                job.status, job.refused = response.status_code, error_message(text)
                missing = not job.request.adapter and unknown_model(response.status_code, text)
                if missing and await self._renamed(body["model"]):
                    return limit
                other = next_field(limit, text) if response.status_code in (400, 422) else None
                if other is not None:
                    job.refusal = error_message(text)
                    return other
                if response.status_code in (400, 422) and self._left_out.learn(body, text, self.url):
                    return limit
                if response.status_code in (400, 422) and "stream_options" in body and not self._counts:
                    # Some refuse what they do not know without a name.
                    job.uncounted = True
                    return limit
                key = f"; {self._keyless}" if self._keyless and response.status_code in (401, 403) else ""
                wait = retry_after(response.headers)
                raise EngineError(f"engine_http_{response.status_code}", error_message(text) + key, wait)
            if job.refusal:
                self._limits.learn(job.request, limit, self.url, job.refusal)
            if job.uncounted:
                self._left_out.leave("stream_options", self.url)
            self._counts |= "stream_options" in body
            await self._read(job, response, bool(limit), "stream_options" in body)
        return None

    async def _read(self, job: _Job, response: httpx.Response, limited: bool, counts: bool) -> None:
        reader = Reader()
        kind = response.headers.get("content-type", "")
        if kind.startswith("application/json"):
            await response.aread()
            chunk = reader.event(response.json(), "message")
            if chunk is None:
                raise EngineError("engine_empty", f"{self.url} answered without text")
            self._book.put(job, Chunk(chunk.text, chunk.tokens, chunk.finish or "stop", reader.told))
            return
        if not kind.startswith("text/event-stream"):
            text = (await response.aread()).decode("utf-8", "replace")
            raise EngineError("engine_garbage", f"neither a stream nor JSON but {kind or 'nothing'}: {excerpt(text)!r}")
        most = None if limited else job.request.sampling.max_tokens
        await follow(response.aiter_bytes(), reader, lambda chunk: self._book.put(job, chunk), most, counts)
        if job.ended:
            return
        if not reader.events:
            raise EngineError("engine_empty", f"{self.url} ended its answer before it began")
        if not reader.done and reader.finish is None:
            raise EngineError("engine_cut_stream", f"{self.url} ended its answer half way")
        reader.close()
        self._book.put(job, Chunk("", (), "stop", reader.told))
