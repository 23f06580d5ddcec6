"""vLLM inside this process, asked as a server's endpoint is: by chats of any shape, without HTTP."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from egm_core.asking.counted import usage_of
from egm_core.asking.endpoint import Busy, Refused, Shut
from egm_core.asking.job import Answer, Job, Message, ReadPicture
from egm_core.engines.base import Completion, EngineError, collect
from egm_core.engines.vllm import PICTURE, VllmEngine


@dataclass(frozen=True)
class Within:
    """vLLM in this process under the name that its model is known by."""

    engine: VllmEngine
    name: str


class WithinEndpoint:
    """One engine in this process in the place of a server: it is there, or gone for good."""

    def __init__(self, within: Within, concurrency: int, timeout: float) -> None:
        self.url = "vLLM in this process"
        self.why = ""
        self.gone = False
        self.up = asyncio.Event()
        self.up.set()
        self._within = within
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(concurrency, "asking")

    async def ask(self, job: Job, messages: list[Message]) -> Answer:
        """Ask once; the pictures of `messages` are arrays. Raises Busy, Shut or Refused."""
        at, began = time.time(), time.monotonic()
        answering = asyncio.get_running_loop().run_in_executor(self._pool, self._collected, job, messages)
        try:
            said = await asyncio.wait_for(answering, self._timeout)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise Busy(f"no whole answer within {self._timeout:g} s") from error
        except EngineError as error:
            if error.reason == "engine_request":
                raise Refused(error.detail, free=True) from error
            if self._within.engine.health().state != "ready":
                raise Shut(str(error)) from error
            raise Busy(str(error), free=True) from error
        finally:
            # It has ended where it was waited for; else nobody wants it any more.
            self._within.engine.abort(job.key)
        if said.finish == "abort":
            raise Busy("the engine gave the answer up", usage=said.usage)
        tokens = said.tokens if job.logprobs else ()
        seconds = time.monotonic() - began
        return Answer(job.key, said.text, said.finish, "", usage_of(said), self._within.name, at, seconds, tokens)

    def _collected(self, job: Job, messages: list[Message]) -> Completion:
        return collect(self._within.engine.chat(job.request(), messages))

    def rest(self, why: str, wait: float = 0.0) -> None:
        """Note what was wrong; an engine in this process is not left alone."""
        self.why = why

    def give_up(self, why: str) -> None:
        """Never ask the engine again."""
        self.why, self.gone = why, True

    async def close(self) -> None:
        """Wait for no answer any more; the engine itself lives on."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class WithinEndpoints:
    """The engine in this process in the place of several servers; `read` gives the pictures that jobs refer to."""

    def __init__(self, within: Within, read: ReadPicture, concurrency: int, timeout: float) -> None:
        self.read = read
        self.endpoints = [WithinEndpoint(within, concurrency, timeout)]

    async def written(self, message: Message) -> Message:
        """Read a message's pictures."""
        if isinstance(message["content"], str):
            return message
        return {**message, "content": [await self._part(part) for part in message["content"]]}

    async def _part(self, part: Message) -> dict[str, Any]:
        if part["type"] != "picture":
            return part
        return {"type": PICTURE, PICTURE: await asyncio.to_thread(self.read, part["picture"])}

    async def close(self) -> None:
        """Let go of what was asked."""
        for endpoint in self.endpoints:
            await endpoint.close()
