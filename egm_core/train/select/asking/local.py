"""Scoring a training set: every question is put to a model once, and how well it answers is stored.

A model is a folder, run in this process or in several, or a list of OpenAI-compatible servers. Scores go to a
`ScoreStore` as they come; after any kill the same call goes on with what is missing. Over half a million
questions and a cluster: `egm_core.train.select.asking.ray`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from egm_core.engines.base import EngineError, Request
from egm_core.families import TASKS
from egm_core.train.select.asking.endpoints import Emit, Endpoints
from egm_core.train.select.asking.served_models import ServedModel, served_model, weights_of
from egm_core.train.select.asking.store import Score, ScoreStore
from egm_core.train.select.questions import Manner, Problem, Question

if TYPE_CHECKING:
    from egm_core.engines.local import TransformersEngine

BATCHES_AT_ONCE = 8
PATIENCE = 600.0


class Scorer(Protocol):
    """Something that puts questions to a model; `about` tells its scores from another model's."""

    @property
    def about(self) -> dict[str, Any]:
        """What must be the same for two scores to belong together."""

    def score(self, questions: Iterator[Question], emit: Emit) -> None:
        """Give the score of every question, or what was wrong with it, to `emit`, in any order."""


def score_all(
    questions: Iterable[Question], total: int, scorer: Scorer, store: ScoreStore, title: str
) -> list[Problem]:
    """Score the questions that a store lacks; gives those that could not be put to the model.

    Raises EngineError where the model is gone; what was scored until then is kept.
    """
    problems: list[Problem] = []
    questions = list(questions)
    known = sum(question.key in store for question in questions)
    missing = (question for question in questions if question.key not in store)
    with tqdm(total=total, initial=min(known, total), desc=title, unit=" questions", disable=None) as bar:

        def emit(result: Score | Problem) -> None:
            if isinstance(result, Score):
                store.add(result)
            else:
                problems.append(result)
            bar.update()

        if known < total:
            scorer.score(missing, emit)
    unanswered = total - sum(question.key in store for question in questions) - len(problems)
    if unanswered:
        raise EngineError("engine_failed", f"{unanswered} of {total} questions came back without a score or a reason")
    return problems


@dataclass(frozen=True)
class FolderScorer:
    """A model folder, run by transformers: in this process, or in `processes` of their own.

    `batch` questions are answered together. Several GPUs are shared out among the processes.
    """

    folder: Path
    manner: Manner
    batch: int = 16
    processes: int = 1

    @property
    def about(self) -> dict[str, Any]:
        """The model's name, a digest of its weights, and how it is asked."""
        return {"model": self.manner.info.name, "weights": list(weights_of(self.folder)), **about(self.manner)}

    def score(self, questions: Iterator[Question], emit: Emit) -> None:
        """Score questions some batches at a time."""
        pieces = iter(lambda: list(islice(questions, self.batch * BATCHES_AT_ONCE)), [])
        if self.processes > 1:
            self._score_apart(pieces, emit)
            return
        engine = _engine(self.folder, "auto")
        try:
            for piece in pieces:
                for result in answered(engine, piece, self.manner, self.batch):
                    emit(result)
        finally:
            engine.close()

    def _score_apart(self, pieces: Iterator[list[Question]], emit: Emit) -> None:
        context = multiprocessing.get_context("spawn")
        arguments = (self, os.getpid(), context.Value("i", 0))
        pool = ProcessPoolExecutor(self.processes, context, _begin, arguments)
        pending: set[Future[list[Score | Problem]]] = set()
        try:
            for piece in pieces:
                pending.add(pool.submit(_answer, piece))
                if len(pending) >= 2 * self.processes:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    _collect(done, emit)
            _collect(pending, emit)
        except _Failed as error:
            raise EngineError("engine_failed", str(error)) from error
        except BrokenProcessPool as error:
            raise EngineError(
                "engine_failed",
                "a scoring process ended suddenly (out of memory?); ask for fewer processes, and run again to go on",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class EndpointScorer:
    """A model behind one or several OpenAI-compatible servers; see `Endpoints` for the settings."""

    urls: tuple[str, ...]
    manner: Manner
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def served(self) -> ServedModel:
        """The model that the servers have, asked once."""
        return served_model(
            self.urls,
            self.settings.get("patience", PATIENCE),
            key_in_clear=self.settings.get("key_in_clear", ()),
        )

    @property
    def about(self) -> dict[str, Any]:
        """Which model the servers have, and how it is asked; which servers they are may change."""
        return about_served(self.served, self.manner)

    def score(self, questions: Iterator[Question], emit: Emit) -> None:
        """Score questions side by side."""

        async def run() -> None:
            endpoints = Endpoints(self.urls, self.manner, model=self.served.name, **self.settings)
            try:
                await endpoints.score(questions, emit)
            finally:
                await endpoints.close()

        asyncio.run(run())


def about(manner: Manner) -> dict[str, Any]:
    """Say what of a manner of asking makes other scores."""
    info = manner.info
    return {
        "family": info.family,
        "prompts": {task: info.prompt("{sent}", task) for task in TASKS},
        "max_pixels": info.max_pixels,
        "factor": info.factor,
        "sampling": asdict(manner.sampling),
        "pixels": manner.pixels,
    }


def about_served(model: ServedModel, manner: Manner) -> dict[str, Any]:
    """Say which scores belong together where servers answer: those of one model, asked in one manner."""
    return {"model": model.name, "root": model.root, "weights": list(model.weights), **about(manner)}


def answered(
    engine: TransformersEngine, questions: Sequence[Question], manner: Manner, batch: int
) -> list[Score | Problem]:
    """Put questions to an engine in batches; pictures are read when their turn comes, each once."""
    results: list[Score | Problem] = []
    requests: list[Request] = []
    asked: list[Question] = []
    pictures: dict[str, Any] = {}
    for question in questions:
        if question.image not in pictures:
            try:
                pictures[question.image] = manner.picture(question.image)
            except (OSError, ValueError) as error:
                pictures[question.image] = str(error)
        picture = pictures[question.image]
        if isinstance(picture, str):
            results.append(Problem(question, picture))
            continue
        prompt = manner.prompt(question)
        requests.append(Request(question.key, picture, prompt, manner.sampling, logprobs=False))
        asked.append(question)
    texts = [completion.text for completion in engine.generate_batch(requests, batch)]
    return [*results, *manner.scores(asked, texts)]


def _engine(folder: Path, device: str) -> TransformersEngine:
    # Scoring through servers needs no torch.
    from egm_core.engines.local import TransformersEngine

    return TransformersEngine(folder, device=device)


class _Failed(RuntimeError):
    """An EngineError in a form that reaches another process."""


def _collect(futures: Iterable[Future[list[Score | Problem]]], emit: Emit) -> None:
    for future in futures:
        for result in future.result():
            emit(result)


_answer_here: Callable[[list[Question]], list[Score | Problem]] | None = None


def _begin(scorer: FolderScorer, parent: int, count: Any) -> None:
    """Load the model in a process of its own, which ends when its parent is gone."""
    global _answer_here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    import torch

    with count.get_lock():
        rank = count.value
        count.value += 1
    gpus = torch.cuda.device_count()
    engine = _engine(scorer.folder, f"cuda:{rank % gpus}" if gpus else "cpu")
    _answer_here = lambda questions: answered(engine, questions, scorer.manner, scorer.batch)  # noqa: E731


def _answer(questions: list[Question]) -> list[Score | Problem]:
    assert _answer_here is not None
    try:
        return _answer_here(questions)
    except EngineError as error:
        raise _Failed(error.detail) from None


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    os._exit(1)
