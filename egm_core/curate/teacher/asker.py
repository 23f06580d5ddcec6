"""Putting jobs to a teacher's servers: each sending is claimed and reserved first, and settled afterwards.

A job that fails is sent again, a bounded number of times, and only while it may be better the next time: not where a
server refuses it. Answers that were made and are no good, such as those cut off at the limit of tokens, stay failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from egm_core.asking.endpoint import Busy, Endpoint, Refused, Shut
from egm_core.asking.endpoints import REFUSALS_IN_A_ROW, Endpoints
from egm_core.asking.job import Answer, Job
from egm_core.asking.within import WithinEndpoint, WithinEndpoints
from egm_core.curate.money.budget import TRIAL, WARY, Budget
from egm_core.curate.money.tally import TalliedStore
from egm_core.curate.money.tokens import Tokens, tokens_of
from egm_core.curate.teacher.forms import portable
from egm_core.curate.teacher.pace import Pace
from egm_core.curate.teacher.teacher import Teacher
from egm_core.curate.teacher.usable import checked
from egm_core.engines.base import EngineError

START, CAREFUL = 4, 2
OTHERS_WAIT, OTHERS_ROUNDS = 0.5, 4
BUDGET_SPENT = "budget_spent"
Emit = Callable[[Answer], None]
Served = Endpoints | WithinEndpoints
One = Endpoint | WithinEndpoint


class BudgetSpent(EngineError):
    """The budget does not allow for one question more; what was answered is kept."""

    def __init__(self, detail: str) -> None:
        super().__init__(BUDGET_SPENT, detail)


@dataclass
class _Turn:
    """A job and how often it was sent in this run."""

    job: Job
    tokens: Tokens
    sent: int = 0


_RESTING = _Turn(Job("", ()), Tokens(0, 0, 0))


class TeacherAsker:
    """Asks a teacher for what a store lacks of some jobs."""

    def __init__(self, teacher: Teacher, store: TalliedStore, budget: Budget, emit: Emit) -> None:
        self.teacher, self.store, self.budget, self._emit = teacher, store, budget, emit
        self._waiting: list[_Turn] = []
        self._under_way = 0
        self._refusals = 0
        self._change = asyncio.Condition()
        self._left: Iterator[Job] = iter(())
        self._dry = False
        self._ended: EngineError | None = None
        self.most_at_once = 0

    async def run(self, jobs: Iterator[Job]) -> None:
        """Ask all; raises BudgetSpent or EngineError where it ends before."""
        self._left = jobs
        served = self.teacher.endpoints()
        endpoints: Sequence[One] = served.endpoints
        paces = [Pace(START, self.teacher.serving.concurrency) for _ in endpoints]
        workers = [
            asyncio.create_task(self._work(served, endpoint, pace))
            for endpoint, pace in zip(endpoints, paces, strict=True)
            for _ in range(self.teacher.serving.concurrency)
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await served.close()
        self.most_at_once = sum(pace.highest for pace in paces)
        if self._ended is not None:
            raise self._ended
        if self._waiting or not self._dry:
            why = "; ".join(f"{endpoint.url}: {endpoint.why}" for endpoint in endpoints)
            raise EngineError("engine_unreachable", f"no server is left to ask ({why}); run again to go on")

    async def _work(self, served: Served, endpoint: One, pace: Pace) -> None:
        while True:
            await endpoint.up.wait()
            if endpoint.gone:
                return
            entered = await pace.enter(self._careful)
            trouble: bool | None = None
            try:
                turn = await self._next(endpoint)
                if turn is _RESTING:
                    continue
                if turn is None:
                    return
                try:
                    trouble = await self._send(served, endpoint, turn)
                finally:
                    async with self._change:
                        self._under_way -= 1
                        self._change.notify_all()
            finally:
                await pace.leave(entered, trouble)

    def _careful(self) -> int | None:
        """Say how many may be under way: how a server bills is found out with few questions."""
        return CAREFUL if self.budget.limit is not None and self.budget.seen < TRIAL else None

    async def _next(self, endpoint: One) -> _Turn | None:
        """Give a job that is claimed and paid for; None at the end, and `_RESTING` where the server is not there."""
        async with self._change:
            while self._ended is None:
                if endpoint.gone or not endpoint.up.is_set():
                    return _RESTING
                turn = self._take()
                if turn is None:
                    if not self._under_way:
                        return None
                    await self._change.wait()
                    continue
                got = self.budget.reserve(self.store, turn.job.key, turn.tokens)
                if got:
                    self._under_way += 1
                    return turn
                if got is False:
                    # Another process has it, and its answer is looked for when all is done.
                    continue
                self._waiting.append(turn)
                if not self._under_way:
                    self._end(self._spent(turn))
                    return None
                await self._change.wait()
            return None

    def _take(self) -> _Turn | None:
        if self._waiting:
            return self._waiting.pop()
        for job in self._left:
            try:
                return _Turn(job, tokens_of(job, self.teacher.model))
            except (OSError, ValueError) as error:
                if self.store.claim(job.key):
                    self._not_sent(job, Tokens(0, 0, 0), error)
        self._dry = True
        return None

    async def _send(self, served: Served, endpoint: One, turn: _Turn) -> bool | None:
        """Send a job once; tells whether there was trouble at the server, None where that is not known."""
        job, turn.sent = turn.job, turn.sent + 1
        try:
            messages = [await served.written(message) for message in job.messages]
            answer = await endpoint.ask(replace(job, schema=portable(job.schema)), messages)
        except (OSError, ValueError) as error:
            self._not_sent(job, turn.tokens, error)
            return None
        except Busy as busy:
            endpoint.rest(str(busy), busy.wait)
            if not busy.counts:
                turn.sent -= 1
            again = turn.sent < self.teacher.attempts
            why = str(busy) if again else f"{turn.sent} attempts failed, the last with {busy}"
            failed = Answer(job.key, error=why, usage=busy.usage)
            self._done(failed, turn.tokens, busy.free, again=turn if again else None)
            return True
        except Shut as shut:
            endpoint.give_up(str(shut))
            self._done(Answer(job.key, error=str(shut)), turn.tokens, free=True, again=turn)
            return None
        except Refused as refused:
            self._done(Answer(job.key, error=str(refused), usage=refused.usage), turn.tokens, refused.free)
            self._refusals += 1
            if self._refusals >= REFUSALS_IN_A_ROW:
                told = f"{REFUSALS_IN_A_ROW} questions in a row were refused, the last: {refused}"
                self._end(EngineError("engine_request", told))
            return False
        self._refusals = 0
        self._done(checked(answer), turn.tokens)
        return False

    def _not_sent(self, job: Job, tokens: Tokens, error: Exception) -> None:
        self._done(Answer(job.key, error=str(error)), tokens, free=True)
        self.store.not_sent()

    def _done(self, answer: Answer, tokens: Tokens, free: bool = False, again: _Turn | None = None) -> None:
        self.budget.settle(self.store, answer, tokens, free)
        if again is None:
            self._emit(answer)
        else:
            self._waiting.append(again)

    def _end(self, error: EngineError) -> None:
        if self._ended is None:
            self._ended = error

    def _spent(self, turn: _Turn) -> BudgetSpent:
        spent, reserved = self.store.money()
        # Who gave twice the price of a question must hear why nothing was asked.
        wary = f" ({WARY:g} times its worst case, until {TRIAL} answers have shown how the server bills)"
        wary = wary if self.budget.seen < TRIAL else ""
        return BudgetSpent(
            f"of the budget of ${self.budget.limit:,.2f}, ${spent + reserved:,.4f} is spent, and the next question may "
            f"cost ${self.budget.worst(turn.tokens):,.4f}{wary}; what was answered is kept in {self.store.path}: run "
            "again with a larger --budget-usd to go on"
        )


def others(store: TalliedStore, keys: set[str]) -> set[str]:
    """Give the keys that have no answer and no failure yet, for another process asks them."""
    return keys - store.done(failed=True)
