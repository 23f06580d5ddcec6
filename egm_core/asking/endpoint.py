"""One OpenAI-compatible server that is asked many things: whether it answers, and since when it does not."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import httpx

from egm_core.asking.job import Answer, Job, Message
from egm_core.asking.served import SECONDS, Serving, listed
from egm_core.engines.base import EngineError
from egm_core.engines.http.address import api_root, checked
from egm_core.engines.http.chat_body import Unsendable, settings_of
from egm_core.engines.http.failures import retry_after
from egm_core.engines.http.left_out import LeftOut
from egm_core.engines.http.limits import Limit, next_field
from egm_core.engines.http.sse import Reader, error_message, excerpt
from egm_core.servers.dialect import Dialect

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
BUSY = (408, 425, 429, 503)
# 402 and these codes say that an account has no money left, which no waiting mends.
SHUT = (401, 402, 403, 404, 405)
USED_UP = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
# So many seconds without any answer are said, and again after so many.
QUIET, AGAIN = 10.0, 60.0
_log = logging.getLogger("egm.asking")


class Busy(Exception):
    """The server did not answer, for reasons of its own; `counts` where the job may be to blame.

    `wait` is how many seconds it wants to be left alone, and `free` says that nothing can have been billed. `usage` has
    the tokens that it counted all the same.
    """

    def __init__(self, why: str, counts: bool = True, wait: float = 0.0, free: bool = False, usage: Any = None) -> None:
        super().__init__(why)
        self.counts = counts
        self.wait = wait
        self.free = free
        self.usage: dict[str, Any] = usage if isinstance(usage, dict) else {}


class Shut(Exception):
    """The server will never answer, such as with a wrong address or key."""


class Refused(Exception):
    """The server wants none of this job; `free` and `usage` are as those of `Busy`."""

    def __init__(self, why: str, free: bool = False, usage: Any = None) -> None:
        super().__init__(why)
        self.free = free
        self.usage: dict[str, Any] = usage if isinstance(usage, dict) else {}


class Endpoint:
    """One server: whether it answers, and since when it does not."""

    def __init__(self, url: str, serving: Serving) -> None:
        checked(url)
        self.url, self._api = api_root(url)
        self.serving = serving
        self.why = ""
        self.gone = False
        self.up = asyncio.Event()
        self.up.set()
        self._waits = 0
        self._down_since: float | None = None
        self._told_at = 0.0
        self._recovery: asyncio.Task[None] | None = None
        self._model: tuple[str, Dialect] | None = None
        self._limit: Limit = "max_tokens"
        self._left_out = LeftOut()
        # Servers drop idle connections after about five seconds; a request must not meet a dropped one.
        limits = httpx.Limits(max_connections=None, keepalive_expiry=3.0)
        self.client = httpx.AsyncClient(limits=limits, **serving.client(url))

    async def ask(self, job: Job, messages: list[Message]) -> Answer:
        """Ask once; the pictures of `messages` are data URLs. Raises Busy, Shut or Refused."""
        at, began = time.time(), time.monotonic()
        try:
            name, dialect = await self._described()
            answer = await self._post(job, messages, name, dialect)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Busy(f"{type(error).__name__}: {error}", counts=False, free=True) from error
        except httpx.HTTPError as error:
            raise Busy(f"{type(error).__name__}: {error}") from error
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise Busy(f"no whole answer within {self.serving.timeout:g} s") from error
        try:
            told = answer.json()
            reader = Reader()
            chunk = reader.event(told, "message")
        except EngineError as error:
            why = f"no chat answer: {error}"
            if error.reason == "engine_request":
                raise Refused(why, usage=error.usage) from error
            # An error in place of an answer, as gateways send it with status 200, is billed as little as with its own.
            unmade = isinstance(told, dict) and not told.get("choices") and not error.usage
            raise Busy(why, free=unmade, usage=error.usage) from error
        except ValueError as error:
            # A page is a gateway's; JSON that broke off may be an answer that was made.
            page = answer.text.lstrip().startswith("<")
            raise Busy(f"no chat answer: {excerpt(answer.text) if page else error}", free=page) from error
        except RecursionError as error:
            # It was made and may be billed: the same question need not be paid for again.
            raise Refused("no chat answer: its JSON is nested too deep to read") from error
        self._waits, self._down_since = 0, None
        if chunk is not None and chunk.finish == "abort":
            raise Busy("the server gave the answer up", usage=told.get("usage"))
        usage = told.get("usage")
        return Answer(
            job.key,
            chunk.text if chunk is not None else "",
            (chunk.finish if chunk is not None else None) or "stop",
            usage=usage if isinstance(usage, dict) else {},
            model=str(told.get("model") or ""),
            at=at,
            seconds=time.monotonic() - began,
            tokens=chunk.tokens if chunk is not None and job.logprobs else (),
            calls=reader.called,
        )

    async def _post(self, job: Job, messages: list[Message], name: str, dialect: Dialect) -> httpx.Response:
        """Send a job; what it takes by another name, or not at all, is asked again so."""
        limit: Limit | None = self._limit
        while limit is not None:
            try:
                settings = settings_of(job.request(), name, limit, dialect)
            except Unsendable as error:
                raise Refused(str(error), free=True) from error
            body: dict[str, Any] = self._left_out.strip({"messages": messages, **settings})
            try:
                # The client's own limit is on each read: a server that drips would never meet it.
                sent = self.client.post(f"{self._api}/chat/completions", json=body)
                answer = await asyncio.wait_for(sent, self.serving.timeout)
            except UnicodeEncodeError as error:
                raise Refused(f"its text is no Unicode ({error.reason}); write it as UTF-8", free=True) from error
            if answer.is_success:
                self._limit = limit or self._limit
                return answer
            wrong = answer.status_code in (400, 422)
            if wrong and self._left_out.learn(body, error_message(answer.text), self.url):
                continue
            limit = next_field(limit, answer.text) if wrong else None
            if self.serving.limited and not limit:
                break
        raise self._trouble(answer)

    async def _described(self) -> tuple[str, Dialect]:
        """Find out the name of the server's model and what kind of server it is, once."""
        if self._model is None:
            answer = await self.client.get(f"{self._api}/models", timeout=SECONDS)
            try:
                model, dialect = listed(answer, self.url, self.serving.model)
            except httpx.HTTPStatusError as error:
                raise self._trouble(answer) from error
            except EngineError as error:
                raise Shut(error.detail) from error
            self._model = model.name, dialect
        return self._model

    def rest(self, why: str, wait: float = 0.0) -> None:
        """Leave the server alone for a while, `wait` seconds at the least."""
        self.why = why
        if self.up.is_set() and not self.gone:
            self.up.clear()
            if self._down_since is None:
                self._down_since = time.monotonic()
            self._recovery = asyncio.create_task(self._recover(wait))
        self._tell()

    def give_up(self, why: str) -> None:
        """Never ask the server again."""
        self.why, self.gone = why, True
        self.up.set()

    async def _recover(self, wait: float) -> None:
        alive = False
        while not alive and not self._exhausted():
            pause = max(wait, min(LONGEST_WAIT, FIRST_WAIT * 2**self._waits))
            await asyncio.sleep(min(pause, self.serving.patience))
            self._waits += 1
            try:
                status = (await self.client.get(f"{self._api}/models", timeout=SECONDS)).status_code
                alive = status < 500 and status not in BUSY
            except httpx.HTTPError as error:
                self.why = f"{type(error).__name__}: {error}"
            self._tell()
        self.gone = self._exhausted()
        self.up.set()

    def _tell(self) -> None:
        """Say that no answer comes and why: who waits would see a bar that stands still, or nothing at all."""
        now = time.monotonic()
        silent = now - self._down_since if self._down_since is not None else 0.0
        if silent < QUIET or now - self._told_at < AGAIN:
            return
        self._told_at = now
        _log.warning(
            "%s has given no answer for %.0f s (%s); it is asked again, and given up after %g s. Ctrl-C ends this, and "
            "what was answered is kept",
            self.url, silent, self.why, self.serving.patience,
        )  # fmt: skip

    def _exhausted(self) -> bool:
        return self._down_since is not None and time.monotonic() - self._down_since > self.serving.patience

    def _trouble(self, answer: httpx.Response) -> Busy | Shut | Refused:
        """Tell whose fault a failed answer is: the server's, its address's, or the job's."""
        why = f"HTTP {answer.status_code}: {error_message(answer.text)}"
        if answer.status_code in (401, 403):
            return Shut(f"{why}; {self._key()}")
        if answer.is_redirect:
            there = excerpt(answer.headers.get("location", ""))
            return Shut(
                f"HTTP {answer.status_code}: it sends on to {there}, and is not followed; name that server's URL"
            )
        if answer.status_code in SHUT or _used_up(answer.text):
            return Shut(why)
        if answer.status_code in BUSY:
            return Busy(why, counts=False, wait=retry_after(answer.headers), free=True)
        return Busy(why, free=True) if answer.status_code >= 500 else Refused(why, free=True)

    def _key(self) -> str:
        name = self.serving.api_key_env
        sent = "Authorization" in self.client.headers
        return f"the key was taken from {name}" if sent else f"no key was sent; {name or 'no variable'} is read for it"

    async def close(self) -> None:
        """End the connections."""
        if self._recovery is not None:
            self._recovery.cancel()
        await self.client.aclose()


def _used_up(text: str) -> bool:
    """Tell whether a refusal says that an account may ask no more: OpenAI does so with the status of a busy server."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return False
    error = told.get("error") if isinstance(told, dict) else None
    return isinstance(error, dict) and any(str(error.get(field)) in USED_UP for field in ("code", "type"))
