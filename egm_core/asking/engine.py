"""Asking an engine that this process has: in batches where it can, else side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from egm_core.asking.asker import Emit
from egm_core.asking.counted import usage_of
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.engines.base import Completion, Engine, Request, collect

Answerer = Callable[[Sequence[Request]], list[Completion]]
BATCHES_AT_ONCE = 8


def answerer(engine: Engine, batch: int) -> Answerer:
    """Give the fastest way to put many requests to an engine: in batches where it can, else side by side."""
    in_batches = getattr(engine, "generate_batch", None)
    if in_batches is not None:
        return lambda requests: list(in_batches(requests, batch))

    def one(request: Request) -> Completion:
        return collect(engine.generate(request))

    def side_by_side(requests: Sequence[Request]) -> list[Completion]:
        with ThreadPoolExecutor(max_workers=batch) as pool:
            try:
                return list(pool.map(one, requests))
            except KeyboardInterrupt:
                # The pool waits for its threads, and they for a server that may be silent.
                pool.shutdown(wait=False, cancel_futures=True)
                engine.close()
                raise

    return side_by_side


@dataclass(frozen=True)
class EngineAsker:
    """An engine that is there; `batch` jobs are answered together. `read` gives the pictures that jobs refer to."""

    engine: Engine
    read: ReadPicture
    batch: int = 16

    @property
    def about(self) -> dict[str, Any]:
        """The model's name and the program that runs it."""
        return {"model": self.engine.health().model, "program": self.engine.kind()}

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask some batches at a time."""
        for piece in pieces(jobs, self.batch):
            for answer in answered(self.engine, piece, self.read, self.batch):
                emit(answer)


def pieces(jobs: Iterator[Job], batch: int) -> Iterator[list[Job]]:
    """Cut jobs into some batches at a time."""
    return iter(lambda: list(islice(jobs, batch * BATCHES_AT_ONCE)), [])


def answered(engine: Engine, jobs: Sequence[Job], read: ReadPicture, batch: int) -> list[Answer]:
    """Put jobs to an engine in batches; pictures are read when their turn comes, each once."""
    at, began = time.time(), time.monotonic()
    answers: list[Answer] = []
    requests: list[Request] = []
    pictures: dict[str, Any] = {}
    for job in jobs:
        try:
            reference, prompt = job.single()
            known = repr(reference)
            if known not in pictures:
                pictures[known] = _read(read, reference)
            if isinstance(pictures[known], str):
                raise ValueError(pictures[known])
            requests.append(job.request(pictures[known], prompt))
        except ValueError as error:
            answers.append(Answer(job.key, error=str(error)))
    completions = answerer(engine, batch)(requests)
    model = engine.health().model
    each = (time.monotonic() - began) / max(len(requests), 1)
    for request, completion in zip(requests, completions, strict=True):
        tokens = completion.tokens if request.logprobs else ()
        given_up = "the engine gave the answer up half way" if completion.finish == "abort" else ""
        answers.append(
            Answer(
                request.id, completion.text, completion.finish, given_up, usage_of(completion), model, at, each, tokens
            )
        )
    return answers


def _read(read: ReadPicture, reference: Any) -> Any:
    """Read a picture, or say what is wrong with it."""
    try:
        return read(reference)
    except (OSError, ValueError) as error:
        return str(error)
