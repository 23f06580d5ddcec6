"""Sends queries to the engines together, and waits for their replies as long as they are of use."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from egm_core.engines.base import EngineError, Request
from egm_core.families import Task
from egm_core.grounder.decision import Replies, Reply
from egm_core.grounder.question.models import Models
from egm_core.grounder.replies.reply import reply
from egm_core.grounder.several.wanted import Question

TOO_LATE = EngineError("deadline", "the amodal box was not there at the deadline")
Hear = Callable[[Reply], None]
_T = TypeVar("_T")


class Waiting:
    """Waits on the event loop for what threads of the pool do: engines answer there, and answers are judged there."""

    def __init__(self, models: Models, pool: Executor) -> None:
        self._models = models
        self._pool = pool

    def in_thread(self, work: Callable[..., _T], *arguments: Any) -> asyncio.Future[_T]:
        """Do a work in a thread of the pool."""
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def first(
        self, requests: dict[Task, Request], asked: Question, end: float, due: float, hear: Hear | None
    ) -> Replies | None:
        """Send all requests at once; gives the replies, the visible one alone where it failed, None for a timeout.

        Where the visible box is there at the deadline and the amodal one is not, nothing waits for that.
        """
        replies = await self.replies(requests, asked, end, due, hear)
        if "visible" not in replies:
            return None
        if len(replies) < len(requests) and replies["visible"].error is None:
            return replies | {"amodal": Reply(None, None, TOO_LATE)} if time.monotonic() < end else None
        return replies

    async def replies(
        self, requests: dict[Task, Request], asked: Question, end: float, due: float | None, hear: Hear | None
    ) -> Replies:
        """Send requests at once and give the replies that came by `end`; `hear` gets the visible one when it comes.

        Where `due` is given the visible reply leads: nothing more is waited for once it failed, and from `due` on once
        it is there. An engine's answer comes from a thread of its own, which ends when the request is aborted.
        """
        stop = threading.Event()
        sent = {
            self.in_thread(reply, self._models, task, request, asked, stop): task for task, request in requests.items()
        }
        came: Replies = {}
        pending: set[asyncio.Future[Reply]] = set(sent)
        try:
            while pending:
                lead = came.get("visible") if due is not None else None
                if lead is not None and lead.error is not None:
                    break
                until = end if lead is None or due is None else min(end, due)
                left = None if math.isinf(until) else max(0.0, until - time.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                came |= {sent[one]: one.result() for one in done}
                if hear and any(sent[one] == "visible" for one in done):
                    hear(came["visible"])
                if not done:
                    break
            return {task: came[task] for task in requests if task in came}
        finally:
            stop.set()
            for future in pending:
                future.cancel()
                self._models.engines[sent[future]].abort(requests[sent[future]].id)
