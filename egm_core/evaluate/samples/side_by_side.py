"""Asking a server through its engine, many questions side by side; what fails is tried again, and then told."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.counted import UNKNOWN, Most, estimated, is_count, is_nonsense, usage_of
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.engines.base import Completion, Engine, EngineError, Request, collect

ATTEMPTS = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
# How many seconds a server may want to be left alone (Retry-After).
PATIENCE = 300.0
# After how many seconds a wait is told, once.
LONG_WAIT = 20.0
FAILURES_IN_A_ROW = 32
# In an answer's usage: the tokens of the attempts before it that failed, or of all where all did.
LOST = "failed_tokens"
# What may be gone at the next attempt; one of 403 and 404 may be a gateway's hiccup, or about the question.
BUSY = ("engine_http_408", "engine_http_425", "engine_http_429", "engine_timeout", "engine_cut_stream", "engine_empty",
        "engine_garbage", "engine_failed", "engine_unreachable")  # fmt: skip
FEW_ATTEMPTS = {"engine_http_401": 2, "engine_http_403": 3, "engine_http_404": 3}
SHUT = ("engine_closed", "engine_wrong_model", "engine_not_ready")
# A server that says one of these of a question has answered; 404 may also say that there is no such model or address.
REFUSALS = ("engine_request", "engine_http_400", "engine_http_403", "engine_http_404", "engine_http_413",
            "engine_http_422", "engine_http_451")  # fmt: skip
_NOBODY = re.compile(r"\b(model|route|path|page|url|endpoint|not found)\b", re.IGNORECASE)
_log = logging.getLogger("egm.evaluate")


@dataclass
class _Waits:
    """What the asking threads share: whether all is over, what was told already, and how the server does.

    `silent` counts the questions in a row that the server said nothing of, `refused` those that it refused.
    """

    server: str
    over: threading.Event = field(default_factory=threading.Event)
    told: bool = False
    answered: bool = False
    silent: int = 0
    refused: int = 0
    uncounted: bool = False

    def tell(self, words: str) -> None:
        if not self.told:
            self.told = True
            _log.warning("%s %s", self.server, words)

    def tell_uncounted(self, said: Completion, most: Most) -> None:
        """Say once that a server's counts of tokens cannot be."""
        if not self.uncounted and is_nonsense(said, most):
            self.uncounted = True
            _log.warning("%s tells counts of tokens that cannot be: such answers count by an estimate", self.server)

    def note(self, error: EngineError | None) -> None:
        """Count what came of a question; a refusal is an answer of the server, and the next question may have one."""
        if error is None:
            self.answered, self.silent, self.refused = True, 0, 0
        elif _is_refusal(error):
            self.silent, self.refused = 0, self.refused + 1
            if self.refused == FAILURES_IN_A_ROW:
                _log.warning("%s has refused %d questions in a row (%s); the others are asked all the same",
                             self.server, self.refused, error)  # fmt: skip
        else:
            self.silent, self.refused = self.silent + 1, 0


@dataclass(frozen=True)
class _Told:
    """An answer, and the error of the server that it tells of, if there was one."""

    answer: Answer
    error: EngineError | None = None
    # The server was not asked for it: there is nothing to learn of how it does.
    unasked: bool = False


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
        """Ask everything; EngineError where the server is gone, or says nothing of one question after the other.

        Ctrl-C ends it at once, whatever the server makes it wait for: the engine is closed then.
        """
        waits = _Waits(str(getattr(self.engine, "url", "the engine")))
        gone: EngineError | None = None
        with ThreadPoolExecutor(self.concurrency, "asking") as pool, self._ending(waits, pool):
            pending: set[Future[_Told]] = set()
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
                        told = future.result()
                    except EngineError as error:
                        # What is under way may still be answered, and is kept.
                        gone = gone or error
                        continue
                    if not told.unasked:
                        waits.note(told.error)
                    emit(told.answer)
                    if waits.silent >= FAILURES_IN_A_ROW and gone is None:
                        words = f"{waits.silent} questions failed in a row: {told.answer.error}"
                        gone = EngineError("engine_failed", words)
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

    def _one(self, job: Job, waits: _Waits) -> _Told:
        try:
            reference, prompt = job.single()
            # Nothing here keeps a server from refusing how it is asked, and a question put anew is a request more.
            anew = partial(self.again, job.key)
            request = replace(job.request(self.read(reference), prompt), counts=True, again=anew)
        except (OSError, ValueError) as error:
            return _Told(Answer(job.key, error=str(error)), unasked=True)
        height, width = request.image.shape[:2]
        lost, most = 0, Most(estimated(width, height, prompt), request.sampling.max_tokens)
        for attempt in range(ATTEMPTS):
            at, began = time.time(), time.monotonic()
            try:
                said = self._said(request, waits)
            except EngineError as error:
                if error.reason in SHUT:
                    raise
                lost += told_tokens(error.usage, most)
                last = attempt + 1 >= FEW_ATTEMPTS.get(error.reason, ATTEMPTS)
                if last and (error.reason == "engine_unreachable" or _is_wrong_key(error, waits)):
                    raise
                if last or not _may_pass(error.reason):
                    return _Told(_failed(job, str(error), at, began, lost), error)
                if not self.again(job.key):
                    why = f"{error}; the budget allows no further attempt"
                    return _Told(_failed(job, why, at, began, lost), error)
                pause = min(LONGEST_WAIT, self.first_wait * 2**attempt)
                # A server that wants to be left alone is, at most for `patience`.
                pause = max(pause * random.uniform(0.5, 1.0), min(error.wait, self.patience))
                if pause >= self.long_wait:
                    waits.tell(f"wants to be left alone ({error.reason}); it is asked again in {pause:.0f} s")
                if waits.over.wait(pause):
                    raise EngineError("engine_closed", "the asking was broken off") from error
                continue
            seconds = time.monotonic() - began
            waits.tell_uncounted(said, most)
            usage = usage_of(said, most) | ({LOST: lost} if lost else {})
            model = str(self.about.get("model", ""))
            return _Told(Answer(job.key, said.text, said.finish, "", usage, model, at, seconds, said.tokens))
        raise AssertionError("every attempt ends in an answer, a pause or an error")

    def _said(self, request: Request, waits: _Waits) -> Completion:
        """Ask once; EngineError also where the server gave the answer up half way."""
        said = collect(self.engine.generate(request))
        if said.finish != "abort":
            return said
        if waits.over.is_set():
            raise EngineError("engine_closed", "the asking was broken off")
        raise EngineError("engine_failed", "the server gave the answer up half way")


def _is_refusal(error: EngineError) -> bool:
    """Tell whether a server has refused a question, rather than said nothing of it."""
    return error.reason in REFUSALS and not (error.reason == "engine_http_404" and _NOBODY.search(error.detail))


def _is_wrong_key(error: EngineError, waits: _Waits) -> bool:
    """Tell whether a server takes our key for no question at all."""
    return error.reason == "engine_http_401" and not waits.answered


def told_tokens(usage: Mapping[str, Any], most: Most = UNKNOWN) -> int:
    """Add up what a server has counted; 0 where it told nothing that can be."""
    total = usage.get("total_tokens")
    parts = [total] if is_count(total) and total > 0 else [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    known = sum(int(part) for part in parts if is_count(part))
    return known if known <= most.whole else 0


def _failed(job: Job, why: str, at: float, began: float, lost: int) -> Answer:
    usage = {LOST: lost} if lost else {}
    return Answer(job.key, error=why, usage=usage, at=at, seconds=time.monotonic() - began)


def _may_pass(reason: str) -> bool:
    """Tell whether an error may be gone at the next attempt."""
    return reason in BUSY or reason in FEW_ATTEMPTS or reason.startswith("engine_http_5")
