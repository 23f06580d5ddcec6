"""Asking several OpenAI-compatible servers at once: as many questions under way at each as it likes to have.

A server that fails is left alone for a while, twice as long each time, and its questions go to the others; one
that has given no answer for `patience` seconds is given up. When all are given up, that is an EngineError.
Answers are not streamed: over half a million of them, reading tokens one by one would cost hours.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import numpy as np

from egm_core.engines.base import EngineError, Request
from egm_core.engines.http.address import checked
from egm_core.engines.http.dialects import Dialect, dialect_of
from egm_core.engines.http.keys import authorization, is_loopback
from egm_core.engines.http.sse import Reader, error_message, excerpt
from egm_core.train.select.asking.store import Score
from egm_core.train.select.questions import Manner, Problem, Question

Emit = Callable[[Score | Problem], None]
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
ATTEMPTS = 6
REFUSALS_IN_A_ROW = 32
PICTURES_KEPT = 256
BUSY = (408, 425, 429, 503)
SHUT = (401, 403, 404, 405)


class _Busy(Exception):
    """The server did not answer, for reasons of its own; `counts` where the question may be to blame."""

    def __init__(self, why: str, counts: bool = True) -> None:
        super().__init__(why)
        self.counts = counts


class _Shut(Exception):
    """The server will never answer, such as with a wrong address or key."""


class _Refused(Exception):
    """The server wants none of this question."""


class Endpoint:
    """One server: whether it answers, and since when it does not."""

    def __init__(
        self, url: str, timeout: float, patience: float, api_key_env: str, clear_hosts: Sequence[str], model: str = ""
    ) -> None:
        checked(url)
        self.url = url.rstrip("/").removesuffix("/v1")
        self.patience = patience
        self.expected = model
        self.why = ""
        self.gone = False
        self.up = asyncio.Event()
        self.up.set()
        self._waits = 0
        self._down_since: float | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._model: tuple[str, Dialect] | None = None
        self.client = httpx.AsyncClient(
            base_url=self.url,
            headers=authorization(self.url, api_key_env, clear_hosts),
            timeout=httpx.Timeout(timeout, connect=5.0),
            # Servers drop idle connections after about five seconds; a request must not meet a dropped one.
            limits=httpx.Limits(max_connections=None, keepalive_expiry=3.0),
            trust_env=not is_loopback(httpx.URL(self.url).host),
        )

    async def ask(self, manner: Manner, prompt: str, image: str) -> str:
        """Ask once; `image` is a data URL. Raises _Busy, _Shut or _Refused."""
        try:
            name, dialect = await self._described()
            answer = await self.client.post("/v1/chat/completions", json=_body(manner, name, dialect, prompt, image))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _Busy(f"{type(error).__name__}: {error}", counts=False) from error
        except httpx.HTTPError as error:
            raise _Busy(f"{type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise _trouble(answer)
        reader = Reader()
        try:
            chunk = reader.event(answer.json(), "message")
        except (ValueError, EngineError) as error:
            raise _Busy(f"no chat answer: {error}") from error
        self._waits, self._down_since = 0, None
        if chunk is not None and chunk.finish == "abort":
            raise _Busy("the server gave the answer up")
        return chunk.text if chunk is not None else ""

    async def _described(self) -> tuple[str, Dialect]:
        """Find out the name of the server's model and what kind of server it is, once."""
        if self._model is None:
            answer = await self.client.get("/v1/models", timeout=10.0)
            if not answer.is_success:
                raise _trouble(answer)
            try:
                first = answer.json()["data"][0]
                self._model = str(first["id"]), dialect_of(str(first.get("owned_by", "")))
            except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                raise _Shut(f"/v1/models: {excerpt(answer.text)!r} is no list of models") from error
            if self.expected and self._model[0] != self.expected:
                raise _Shut(f"it has the model {self._model[0]!r}, and the scores are for {self.expected!r}")
        return self._model

    def rest(self, why: str) -> None:
        """Leave the server alone for a while."""
        self.why = why
        if self.up.is_set() and not self.gone:
            self.up.clear()
            if self._down_since is None:
                self._down_since = time.monotonic()
            self._recovery = asyncio.create_task(self._recover())

    def give_up(self, why: str) -> None:
        """Never ask the server again."""
        self.why, self.gone = why, True
        self.up.set()

    async def _recover(self) -> None:
        alive = False
        while not alive and not self._exhausted():
            await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2**self._waits, self.patience))
            self._waits += 1
            try:
                alive = (await self.client.get("/v1/models", timeout=10.0)).is_success
            except httpx.HTTPError as error:
                self.why = f"{type(error).__name__}: {error}"
        self.gone = self._exhausted()
        self.up.set()

    def _exhausted(self) -> bool:
        return self._down_since is not None and time.monotonic() - self._down_since > self.patience

    async def close(self) -> None:
        """End the connections."""
        if self._recovery is not None:
            self._recovery.cancel()
        await self.client.aclose()


class Endpoints:
    """Several servers of one model; each has up to `concurrency` questions under way.

    `timeout` seconds is the most that one answer may take, `patience` the seconds without any answer after which
    a server is given up. The API key is read from the environment variable `api_key_env` where that is set; the
    hosts of `key_in_clear` may have it without TLS. Servers that have another model
    than `model` are not asked.
    """

    def __init__(
        self,
        urls: Sequence[str],
        manner: Manner,
        concurrency: int = 32,
        timeout: float = 300.0,
        patience: float = 600.0,
        api_key_env: str = "OPENAI_API_KEY",
        key_in_clear: Sequence[str] = (),
        model: str = "",
    ) -> None:
        self.manner = manner
        self.concurrency = concurrency
        self.endpoints = [Endpoint(url, timeout, patience, api_key_env, key_in_clear, model) for url in urls]
        self._pictures: OrderedDict[str, asyncio.Task[str]] = OrderedDict()
        self._refusals = 0

    async def score(self, questions: Iterator[Question], emit: Emit) -> None:
        """Put every question to one of the servers and give each score, or problem, to `emit`, in no order.

        Questions are taken as they are needed. Raises EngineError where no server is left, or where servers refuse
        one question after the other.
        """
        work = _Work(questions, emit, 2 * self.concurrency * len(self.endpoints))
        feeder = asyncio.create_task(work.feed())
        workers = {
            asyncio.create_task(self._serve(endpoint, work))
            for endpoint in self.endpoints
            for _ in range(self.concurrency)
        }
        try:
            while not feeder.done():
                done, _ = await asyncio.wait({feeder, *workers}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                workers -= done
                if not workers and not feeder.done():
                    reasons = "; ".join(f"{endpoint.url}: {endpoint.why}" for endpoint in self.endpoints)
                    raise EngineError("engine_unreachable", f"no server is left to ask ({reasons}); run again to go on")
        finally:
            tasks = {feeder, *workers}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End all connections."""
        for endpoint in self.endpoints:
            await endpoint.close()

    async def _serve(self, endpoint: Endpoint, work: _Work) -> None:
        while True:
            await endpoint.up.wait()
            if endpoint.gone:
                return
            question = await work.next()
            if not endpoint.up.is_set() or endpoint.gone:
                work.give_back(question)
                continue
            try:
                image = await self._picture(question.image)
            except (OSError, ValueError) as error:
                work.done(Problem(question, str(error)))
                continue
            try:
                text = await endpoint.ask(self.manner, self.manner.prompt(question), image)
            except _Busy as trouble:
                endpoint.rest(str(trouble))
                if trouble.counts and work.blame(question) >= ATTEMPTS:
                    self._refuse(work, question, f"{ATTEMPTS} attempts failed, the last with {trouble}")
                else:
                    work.give_back(question)
            except _Shut as trouble:
                endpoint.give_up(str(trouble))
                work.give_back(question)
            except _Refused as trouble:
                self._refuse(work, question, str(trouble))
            else:
                self._refusals = 0
                work.done(self.manner.scores([question], [text])[0])

    def _refuse(self, work: _Work, question: Question, why: str) -> None:
        self._refusals += 1
        if self._refusals >= REFUSALS_IN_A_ROW:
            raise EngineError("engine_request", f"{REFUSALS_IN_A_ROW} questions in a row were refused, the last: {why}")
        work.done(Problem(question, why))

    async def _picture(self, file: str) -> str:
        """Give a picture as a data URL; questions that follow each other often share one."""
        task = self._pictures.get(file)
        if task is None:
            task = self._pictures[file] = asyncio.create_task(asyncio.to_thread(self._data_url, file))
            if len(self._pictures) > PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return await asyncio.shield(task)

    def _data_url(self, file: str) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.manner.png(file)).decode('ascii')}"


class _Work:
    """The questions that are under way: what fails comes back, and the end is when nothing can come back."""

    def __init__(self, questions: Iterator[Question], emit: Emit, most: int) -> None:
        self._questions = questions
        self._emit = emit
        self._room = asyncio.Semaphore(most)
        self._queue: asyncio.Queue[Question] = asyncio.Queue()
        self._attempts: dict[str, int] = {}

    async def feed(self) -> None:
        """Take questions as there is room for them; returns when every one is done."""
        for question in self._questions:
            await self._room.acquire()
            self._queue.put_nowait(question)
        await self._queue.join()

    async def next(self) -> Question:
        """Give the next question; waits for one."""
        return await self._queue.get()

    def blame(self, question: Question) -> int:
        """Count a failure that may be the question's own; gives how many there were."""
        self._attempts[question.key] = self._attempts.get(question.key, 0) + 1
        return self._attempts[question.key]

    def give_back(self, question: Question) -> None:
        """Leave a question to others."""
        self._queue.put_nowait(question)
        self._queue.task_done()

    def done(self, result: Score | Problem) -> None:
        """Hand out what came of a question."""
        self._emit(result)
        self._attempts.pop(result.key if isinstance(result, Score) else result.question.key, None)
        self._room.release()
        self._queue.task_done()


def _body(manner: Manner, name: str, dialect: Dialect, prompt: str, image: str) -> dict[str, Any]:
    sampling = manner.sampling
    content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": prompt}]
    extra = dialect.extra(Request("", np.zeros((1, 1, 3), np.uint8), prompt, sampling, logprobs=False))
    return {
        "model": name,
        "messages": [{"role": "user", "content": content}],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        **extra,
    }


def _trouble(answer: httpx.Response) -> _Busy | _Shut | _Refused:
    """Tell whose fault a failed answer is: the server's, its address's, or the question's."""
    why = f"HTTP {answer.status_code}: {error_message(answer.text)}"
    if answer.status_code in BUSY:
        return _Busy(why, counts=False)
    if answer.status_code in SHUT:
        return _Shut(why)
    return _Busy(why) if answer.status_code >= 500 else _Refused(why)
