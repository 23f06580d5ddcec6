"""Asking a server through its engine, many questions side by side; what fails is tried again, and then told."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.engines.base import Engine, EngineError, collect

ATTEMPTS = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
# How many seconds a server may want to be left alone (Retry-After).
PATIENCE = 300.0
# After how many seconds a wait is told, once.
LONG_WAIT = 20.0
FAILURES_IN_A_ROW = 32
# In an answer's usage: the tokens of the attempts before it that failed, or of all where all did.
LOST = "failed_tokens"
BUSY = ("engine_http_408", "engine_http_425", "engine_http_429", "engine_timeout", "engine_cut_stream", "engine_empty",
        "engine_garbage")  # fmt: skip
_log = logging.getLogger("egm.evaluate")
SHUT = ("engine_http_401", "engine_http_403", "engine_http_404", "engine_closed", "engine_failed")


@dataclass
class _Waits:
    """What the waiting threads share: whether all is over, and whether a long wait was told already."""

    server: str
    over: threading.Event = field(default_factory=threading.Event)
    told: bool = False

    def tell(self, words: str) -> None:
        if not self.told:
            self.told = True
            _log.warning("%s %s", self.server, words)


@dataclass(frozen=True)
class SideBySide:
    """An engine that is asked with up to `concurrency` questions under way; `read` gives the pictures.

    `about` says which model it is; `again` is asked before a question is put another time, and counts that. An
    answer's time runs from sending the question to the answer's last word, waits before another attempt left out.
    """

    engine: Engine
    read: ReadPicture
    about: dict[str, Any]
    concurrency: int = 8
    first_wait: float = FIRST_WAIT
    patience: float = PATIENCE
    long_wait: float = LONG_WAIT
    again: Callable[[str], bool] = lambda key: True

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask everything; EngineError where the server is gone, or refuses one question after the other.

        Ctrl-C ends it at once, whatever the server makes it wait for: the engine is closed then.
        """
        waits = _Waits(str(getattr(self.engine, "url", "the engine")))
        in_a_row = 0
        gone: EngineError | None = None
        with ThreadPoolExecutor(self.concurrency, "asking") as pool, self._ending(waits, pool):
            pending: set[Future[Answer]] = set()
            while True:
                if gone is None:
                    room = self.concurrency - len(pending)
                    pending |= {pool.submit(self._one, job, waits) for job in islice(jobs, room)}
                if not pending:
                    break
                done, pending = wait(pending, self.long_wait, FIRST_COMPLETED)
                if not done:
                    waits.tell(f"has answered nothing for {self.long_wait:g} s; waiting on")
                for future in done:
                    try:
                        answer = future.result()
                    except EngineError as error:
                        # What is under way may still be answered, and is kept.
                        gone = gone or error
                        continue
                    in_a_row = in_a_row + 1 if answer.error else 0
                    emit(answer)
                    if in_a_row >= FAILURES_IN_A_ROW and gone is None:
                        gone = EngineError("engine_failed", f"{in_a_row} questions failed in a row: {answer.error}")
        if gone:
            raise gone

    @contextmanager
    def _ending(self, waits: _Waits, pool: ThreadPoolExecutor) -> Iterator[None]:
        """Wake all that waits where the asking itself is broken off, before the pool waits for its threads."""
        try:
            yield
        except BaseException:
            waits.over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            self.engine.close()
            raise

    def _one(self, job: Job, waits: _Waits) -> Answer:
        try:
            reference, prompt = job.single()
            request = job.request(self.read(reference), prompt)
        except (OSError, ValueError) as error:
            return Answer(job.key, error=str(error))
        lost = 0
        for attempt in range(ATTEMPTS):
            at, began = time.time(), time.monotonic()
            try:
                said = collect(self.engine.generate(request))
            except EngineError as error:
                if error.reason in SHUT:
                    raise
                lost += told_tokens(error.usage)
                last = attempt == ATTEMPTS - 1
                if last and error.reason == "engine_unreachable":
                    raise
                if last or not _may_pass(error.reason):
                    return _failed(job, str(error), at, began, lost)
                if not self.again(job.key):
                    why = f"{error}; the budget allows no further attempt"
                    return _failed(job, why, at, began, lost)
                pause = min(LONGEST_WAIT, self.first_wait * 2**attempt)
                # A server that wants to be left alone is, at most for `patience`.
                pause = max(pause * random.uniform(0.5, 1.0), min(error.wait, self.patience))
                if pause >= self.long_wait:
                    waits.tell(f"wants to be left alone ({error.reason}); it is asked again in {pause:.0f} s")
                if waits.over.wait(pause):
                    raise EngineError("engine_closed", "the asking was broken off") from error
                continue
            seconds = time.monotonic() - began
            usage = {"completion_tokens": len(said.tokens)} if said.tokens else {}
            usage |= {LOST: lost} if lost else {}
            model = str(self.about.get("model", ""))
            return Answer(job.key, said.text, said.finish, "", usage, model, at, seconds, said.tokens)
        raise AssertionError("every attempt ends in an answer, a pause or an error")


def told_tokens(usage: Mapping[str, Any]) -> int:
    """Add up what a server has counted; 0 where it told nothing that can be."""
    counts = [usage.get("total_tokens")] if usage.get("total_tokens") else [usage.get("prompt_tokens"),
                                                                           usage.get("completion_tokens")]  # fmt: skip
    return sum(int(count) for count in counts if isinstance(count, (int, float)) and 0 < count < 1e12)


def _failed(job: Job, why: str, at: float, began: float, lost: int) -> Answer:
    usage = {LOST: lost} if lost else {}
    return Answer(job.key, error=why, usage=usage, at=at, seconds=time.monotonic() - began)


def _may_pass(reason: str) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    return reason in BUSY or reason == "engine_unreachable" or reason.startswith("engine_http_5")
