"""A model folder, run by transformers: in this process, or in several of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egm_core.asking.asker import Emit
from egm_core.asking.engine import EngineAsker, answered, pieces
from egm_core.asking.job import Answer, Job, ReadPicture
from egm_core.asking.served import weights_of
from egm_core.engines.base import EngineError

if TYPE_CHECKING:
    from egm_core.engines.local import TransformersEngine


@dataclass(frozen=True)
class FolderAsker:
    """A model folder, run in this process, or in `processes` of their own.

    `batch` jobs are answered together. Several GPUs are shared out among the processes. `read` gives the pictures that
    jobs refer to; other processes need it as a function or method with a name. `name` is the model's, where it is not
    the folder's.
    """

    folder: Path
    read: ReadPicture
    batch: int = 16
    processes: int = 1
    name: str = ""

    @property
    def about(self) -> dict[str, Any]:
        """The model's name and a digest of its weights."""
        return {"model": self.name or self.folder.name, "weights": list(weights_of(self.folder))}

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        """Ask some batches at a time."""
        if self.processes > 1:
            self._ask_apart(pieces(jobs, self.batch), emit)
            return
        engine = _engine(self.folder, "auto")
        try:
            EngineAsker(engine, self.read, self.batch).ask(jobs, emit)
        finally:
            engine.close()

    def _ask_apart(self, parts: Iterator[list[Job]], emit: Emit) -> None:
        context = multiprocessing.get_context("spawn")
        arguments = (self, os.getpid(), context.Value("i", 0))
        pool = ProcessPoolExecutor(self.processes, context, _begin, arguments)
        pending: set[Future[list[Answer]]] = set()
        try:
            for part in parts:
                pending.add(pool.submit(_answer, part))
                if len(pending) >= 2 * self.processes:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    _collect(done, emit)
            _collect(pending, emit)
        except BrokenProcessPool as error:
            raise EngineError(
                "engine_failed",
                "a process ended suddenly (out of memory?); ask for fewer processes, and run again to go on",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _engine(folder: Path, device: str) -> TransformersEngine:
    # Asking servers needs no torch.
    from egm_core.engines.local import TransformersEngine

    return TransformersEngine(folder, device=device)


def _collect(futures: Iterable[Future[list[Answer]]], emit: Emit) -> None:
    for future in futures:
        for answer in future.result():
            emit(answer)


_answer_here: Callable[[list[Job]], list[Answer]] | None = None


def _begin(asker: FolderAsker, parent: int, count: Any) -> None:
    """Load the model in a process of its own, which ends when its parent is gone."""
    global _answer_here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    import torch

    with count.get_lock():
        rank = count.value
        count.value += 1
    gpus = torch.cuda.device_count()
    engine = _engine(asker.folder, f"cuda:{rank % gpus}" if gpus else "cpu")
    _answer_here = lambda jobs: answered(engine, jobs, asker.read, asker.batch)  # noqa: E731


def _answer(jobs: list[Job]) -> list[Answer]:
    assert _answer_here is not None
    return _answer_here(jobs)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.25)
    os._exit(1)
