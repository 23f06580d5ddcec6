"""Asking a server through its engine, many questions side by side; what fails is tried again, and then told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.engines.base import Engine, EngineError, collect

ATTEMPTS = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
# How many seconds a server may want to be left alone (Retry-After).
PATIENCE = 300.0
FAILURES_IN_A_ROW = 32
BUSY = ("engine_http_408", "engine_http_425", "engine_http_429", "engine_timeout", "engine_cut_stream", "engine_empty",
        "engine_garbage")  # fmt: skip
SHUT = ("engine_http_401", "engine_http_403", "engine_http_404", "engine_closed", "engine_failed")


@dataclass(frozen=True)
class SideBySide:
    """An engine that is asked with up to `concurrency` questions under way; `read` gives the pictures.

    `about` says which model it is. An answer's time runs from sending the question to the answer's last word, waits
    before another attempt left out.
    """

    engine: Engine
    read: ReadPicture
    about: dict[str, Any]
    concurrency: int = 8
    first_wait: float = FIRST_WAIT
    patience: float = PATIENCE

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask everything; EngineError where the server is gone, or refuses one question after the other."""
        in_a_row = 0
        gone: EngineError | None = None
        with ThreadPoolExecutor(self.concurrency, "asking") as pool:
            pending: set[Future[Answer]] = set()
            while True:
                if gone is None:
                    pending |= {pool.submit(self._one, job) for job in islice(jobs, self.concurrency - len(pending))}
                if not pending:
                    break
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
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

    def _one(self, job: Job) -> Answer:
        try:
            reference, prompt = job.single()
            request = job.request(self.read(reference), prompt)
        except (OSError, ValueError) as error:
            return Answer(job.key, error=str(error))
        for attempt in range(ATTEMPTS):
            at, began = time.time(), time.monotonic()
            try:
                said = collect(self.engine.generate(request))
            except EngineError as error:
                if error.reason in SHUT:
                    raise
                last = attempt == ATTEMPTS - 1
                if last and error.reason == "engine_unreachable":
                    raise
                if last or not _may_pass(error.reason):
                    return Answer(job.key, error=str(error), at=at, seconds=time.monotonic() - began)
                pause = min(LONGEST_WAIT, self.first_wait * 2**attempt)
                # A server that wants to be left alone is, at most for `patience`.
                time.sleep(max(pause * random.uniform(0.5, 1.0), min(error.wait, self.patience)))
                continue
            seconds = time.monotonic() - began
            usage = {"completion_tokens": len(said.tokens)} if said.tokens else {}
            model = str(self.about.get("model", ""))
            return Answer(job.key, said.text, said.finish, "", usage, model, at, seconds, said.tokens)
        raise AssertionError("every attempt ends in an answer, a pause or an error")


def _may_pass(reason: str) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    return reason in BUSY or reason == "engine_unreachable" or reason.startswith("engine_http_5")
