"""Asking several OpenAI-compatible servers at once: as many jobs under way at each as it likes to have.

A server that fails is left alone for a while, twice as long each time, and its jobs go to the others; one that has
given no answer for `patience` seconds is given up. When all are given up, that is an EngineError.
Answers are not streamed: over half a million of them, reading tokens one by one would cost hours.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.endpoint import Busy, Endpoint, Refused, Shut
from egm_core.asking.job import Answer, Job, Message, ReadPicture
from egm_core.asking.served import Serving
from egm_core.engines.base import EngineError
from egm_core.engines.pictures import data_url

ATTEMPTS = 6
REFUSALS_IN_A_ROW = 32
PICTURES_KEPT = 256


class Endpoints:
    """Several servers of one model; `read` gives the pictures that jobs refer to."""

    def __init__(self, urls: Sequence[str], read: ReadPicture, serving: Serving) -> None:
        self.read = read
        self.concurrency = serving.concurrency
        self.endpoints = [Endpoint(url, serving) for url in urls]
        self._pictures: OrderedDict[str, asyncio.Task[str]] = OrderedDict()
        self._refusals = 0

    async def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Put every job to one of the servers and give each answer to `emit`, in no order.

        Jobs are taken as they are needed. Raises EngineError where no server is left, or where servers refuse one job
        after the other.
        """
        work = _Work(jobs, emit, 2 * self.concurrency * len(self.endpoints))
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
            job = await work.next()
            if not endpoint.up.is_set() or endpoint.gone:
                work.give_back(job)
                continue
            try:
                messages = [await self.written(message) for message in job.messages]
            except (OSError, ValueError) as error:
                work.done(Answer(job.key, error=str(error)))
                continue
            try:
                answer = await endpoint.ask(job, messages)
            except Busy as trouble:
                endpoint.rest(str(trouble), trouble.wait)
                if trouble.counts and work.blame(job) >= ATTEMPTS:
                    self._refuse(work, job, f"{ATTEMPTS} attempts failed, the last with {trouble}")
                else:
                    work.give_back(job)
            except Shut as trouble:
                endpoint.give_up(str(trouble))
                work.give_back(job)
            except Refused as trouble:
                self._refuse(work, job, str(trouble))
            else:
                self._refusals = 0
                work.done(answer)

    def _refuse(self, work: _Work, job: Job, why: str) -> None:
        self._refusals += 1
        if self._refusals >= REFUSALS_IN_A_ROW:
            raise EngineError("engine_request", f"{REFUSALS_IN_A_ROW} questions in a row were refused, the last: {why}")
        work.done(Answer(job.key, error=why))

    async def written(self, message: Message) -> Message:
        """Write a message as the API has it: its pictures as data URLs."""
        if isinstance(message["content"], str):
            return message
        return {**message, "content": [await self._part(part) for part in message["content"]]}

    async def _part(self, part: Message) -> Message:
        if part["type"] != "picture":
            return part
        return {"type": "image_url", "image_url": {"url": await self._picture(part["picture"])}}

    async def _picture(self, reference: Any) -> str:
        """Give a picture as a data URL; jobs that follow each other often share one."""
        key = json.dumps(reference, sort_keys=True)
        task = self._pictures.get(key)
        if task is None:
            task = self._pictures[key] = asyncio.create_task(asyncio.to_thread(self._data_url, reference))
            if len(self._pictures) > PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return await asyncio.shield(task)

    def _data_url(self, reference: Any) -> str:
        return data_url(self.read(reference), "png")


class _Work:
    """The jobs that are under way: what fails comes back, and the end is when nothing can come back."""

    def __init__(self, jobs: Iterator[Job], emit: Emit, most: int) -> None:
        self._jobs = jobs
        self._emit = emit
        self._room = asyncio.Semaphore(most)
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._attempts: dict[str, int] = {}

    async def feed(self) -> None:
        """Take jobs as there is room for them; returns when every one is done."""
        await self._room.acquire()
        for job in self._jobs:
            self._queue.put_nowait(job)
            await self._room.acquire()
        await self._queue.join()

    async def next(self) -> Job:
        """Give the next job; waits for one."""
        return await self._queue.get()

    def blame(self, job: Job) -> int:
        """Count a failure that may be the job's own; gives how many there were."""
        self._attempts[job.key] = self._attempts.get(job.key, 0) + 1
        return self._attempts[job.key]

    def give_back(self, job: Job) -> None:
        """Leave a job to others."""
        self._queue.put_nowait(job)
        self._queue.task_done()

    def done(self, answer: Answer) -> None:
        """Hand out what came of a job."""
        self._emit(answer)
        self._attempts.pop(answer.key, None)
        self._room.release()
        self._queue.task_done()
