"""Asks a server one question and reads the answer; what the server refuses to be asked is learnt, and left out then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from egm_core.engines.answer_book import Entry
from egm_core.engines.base import Chunk, EngineError
from egm_core.engines.http import failures
from egm_core.engines.http.chat_body import chat_body
from egm_core.engines.http.connection import Connection
from egm_core.engines.http.failures import retry_after
from egm_core.engines.http.follow import follow
from egm_core.engines.http.left_out import LeftOut
from egm_core.engines.http.limits import Limit, LimitFields, next_field
from egm_core.engines.http.patience import Patience
from egm_core.engines.http.served_models import unknown_model
from egm_core.engines.http.server import Server
from egm_core.engines.http.sse import Reader, error_message, excerpt
from egm_core.engines.pictures import PictureFormat

# What servers answer to a request that they do not understand.
MISUNDERSTOOD = (400, 422)


@dataclass(eq=False)
class Job(Entry):
    """One question under way: what the server said where it refused how it was asked."""

    refusal: str = ""
    refused: str = ""
    status: int = 0
    uncounted: bool = False


class Exchange:
    """What is learnt of a server by asking it; `put` hands over what it answers."""

    def __init__(
        self,
        connection: Connection,
        server: Server,
        image_format: PictureFormat,
        put: Callable[[Job, Chunk | EngineError], None],
    ) -> None:
        self._connection, self._url = connection, connection.url
        self._server = server
        self._image_format = image_format
        self._put = put
        self._limits = LimitFields()
        self._left_out = LeftOut()
        self._counts = False

    async def answer(self, job: Job) -> None:
        """Have a question answered, asked anew where the server refuses how it was asked."""
        try:
            async with Patience(self._connection.timeouts.total):
                await self._server.describe()
                limit: Limit | None = self._limits.field(job.request)
                while limit is not None:
                    limit = await self._ask(job, limit)
                    if limit is not None:
                        await _allowed(job)
        except EngineError as error:
            self._put(job, error)
        except failures.FAILURES as error:
            self._put(job, failures.of(error, self._url, self._connection.timeouts))

    async def _ask(self, job: Job, limit: Limit) -> Limit | None:
        """Ask once and read the answer; where the server wants to be asked anew, give the field to limit it with."""
        if job.ended:
            return None
        job.task = asyncio.current_task()
        written = (job.request, self._server.model, limit, self._image_format, self._server.dialect)
        body = self._left_out.strip(await asyncio.to_thread(chat_body, *written))
        if job.uncounted:
            body.pop("stream_options", None)
        async with (
            self._connection.client() as client,
            client.stream("POST", f"{self._connection.api}/chat/completions", json=body) as response,
        ):
            if not response.is_success:
                return await self._otherwise(job, limit, body, response)
            if job.refusal:
                self._limits.learn(job.request, limit, self._url, job.refusal)
            if job.uncounted:
                self._left_out.leave("stream_options", self._url)
            self._counts |= "stream_options" in body
            await self._read(job, response, bool(limit), "stream_options" in body)
        return None

    async def _otherwise(self, job: Job, limit: Limit, body: dict[str, Any], response: httpx.Response) -> Limit:
        """Give the field to limit the answer with where the refused question can be put otherwise, else EngineError."""
        text = (await response.aread()).decode("utf-8", "replace")
        status = response.status_code
        job.status, job.refused = status, error_message(text)
        if not job.request.adapter and unknown_model(status, text) and await self._server.renamed(body["model"]):
            return limit
        if status in MISUNDERSTOOD:
            other = next_field(limit, text)
            if other is not None:
                job.refusal = error_message(text)
                return other
            if self._left_out.learn(body, text, self._url):
                return limit
            if "stream_options" in body and not self._counts:
                # Some refuse what they do not know without a name.
                job.uncounted = True
                return limit
        keyless = self._connection.keyless
        key = f"; {keyless}" if keyless and status in (401, 403) else ""
        raise EngineError(f"engine_http_{status}", error_message(text) + key, retry_after(response.headers))

    async def _read(self, job: Job, response: httpx.Response, limited: bool, counts: bool) -> None:
        reader = Reader()
        kind = response.headers.get("content-type", "")
        if kind.startswith("application/json"):
            await response.aread()
            chunk = reader.event(response.json(), "message")
            if chunk is None:
                raise EngineError("engine_empty", f"{self._url} answered without text")
            self._put(job, Chunk(chunk.text, chunk.tokens, chunk.finish or "stop", reader.told))
            return
        if not kind.startswith("text/event-stream"):
            text = (await response.aread()).decode("utf-8", "replace")
            raise EngineError("engine_garbage", f"neither a stream nor JSON but {kind or 'nothing'}: {excerpt(text)!r}")
        most = None if limited else job.request.sampling.max_tokens
        await follow(response.aiter_bytes(), reader, lambda chunk: self._put(job, chunk), most, counts)
        if job.ended:
            return
        if not reader.events:
            raise EngineError("engine_empty", f"{self._url} ended its answer before it began")
        if not reader.done and reader.finish is None:
            raise EngineError("engine_cut_stream", f"{self._url} ended its answer half way")
        reader.close()
        self._put(job, Chunk("", (), "stop", reader.told))


async def _allowed(job: Job) -> None:
    """Raise EngineError where a request that was refused may not be put anew."""
    again = job.request.again
    if again is not None and not await asyncio.to_thread(again):
        raise EngineError(f"engine_http_{job.status}", f"{job.refused}; the budget allows no further attempt")
