"""An evaluation's scenes shared out among processes: each renders and answers its own, and the rows come in order.

A share is the same run of seeds however many processes there are, so that the same batches are answered and the
number of processes changes no answer.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, cast

from egm_core.asking.engine import Answerer, answerer
from egm_core.engines import Engine
from egm_core.engines.base import computed_by
from egm_core.evaluate.asking import SCENES_AT_ONCE, Asked, ask, rendered
from egm_core.families import Mode
from egm_core.families.known import check_served
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.scenes.generator import Generator
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene
from egm_core.supervise.inside import Inside


@dataclass(frozen=True)
class Evaluation:
    """What is asked of which model, and how it runs; `threads` and `device` are those of the in-process engine.

    With `engine_url` an OpenAI-compatible server answers, and `model` still says how to ask; pictures go as PNG, and an
    API key over TLS, to this machine, or to the hosts of `key_in_clear`. With `inside` vLLM answers, in this process.
    `precision` is the one that the server was started with, where that is known.
    """

    model: str = EMBEDDED
    first_seed: int = EVALUATION_FIRST_SEED
    scenes: int = 1000
    queries_per_scene: int = 3
    reasoning: bool = True
    mode: Mode = "paper"
    engine_url: str | None = None
    key_in_clear: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None
    batch: int = 32
    wait: float = 120.0
    at_once: int = SCENES_AT_ONCE
    inside: Inside | None = None
    precision: str = "auto"

    @property
    def info(self) -> ModelInfo:
        """The model's record; raises where there is no such model."""
        return load_info(resolve(self.model))

    @property
    def engine_kind(self) -> str:
        """The program that answers, as the engine names it."""
        if not self.engine_url:
            return computed_by("vllm", self.inside.precision) if self.inside else "transformers"
        from egm_core.engines.openai import OpenAIEngine

        server = OpenAIEngine(self.engine_url, clear_hosts=self.key_in_clear, precision=self.precision)
        try:
            return server.kind()
        finally:
            server.close()

    @property
    def shares(self) -> list[range]:
        """The seeds, `at_once` at a time."""
        last = self.first_seed + self.scenes
        return [range(s, min(s + self.at_once, last)) for s in range(self.first_seed, last, self.at_once)]


def evaluate(evaluation: Evaluation, processes: int = 1, workers: int = 1) -> Iterator[Asked]:
    """Put an evaluation's queries to its model, and give the scored answers in the order of the seeds.

    Each of several `processes` renders and answers with one thread, unless `threads` says otherwise. A single one
    has `workers` processes that render for it. Raises EngineError.
    """
    if processes < 1 or workers < 1:
        raise ValueError(f"processes ({processes}) and workers ({workers}) must be at least 1")
    if processes == 1:
        info = evaluation.info
        with engine(evaluation, info) as running:
            _check(evaluation, _ready(evaluation, running))
            scenes = rendered(evaluation.first_seed, evaluation.scenes, workers)
            yield from _asked(evaluation, scenes, info, answerer(running, evaluation.batch))
        return
    if workers > 1:
        raise ValueError("with several processes each one renders its own scenes: leave out workers")
    shares = evaluation.shares
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(processes, max(len(shares), 1)), context, _prepare) as pool:
        try:
            yield from chain.from_iterable(pool.map(partial(_share, evaluation), shares))
        except BaseException:
            # Whoever breaks off, such as Ctrl-C, does not wait for the shares that are under way.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _ready(evaluation: Evaluation, running: Engine) -> str:
    """Wait for the engine, and give its model's name; a server's start is not to be waited for in silence."""
    from egm_core.evaluate.waiting import awaited

    if evaluation.engine_url:
        return awaited(cast("Any", running), evaluation.wait).model
    return running.wait_ready(evaluation.inside.start_timeout if evaluation.inside else 600.0).model


def _check(evaluation: Evaluation, served: str) -> None:
    if evaluation.engine_url:
        check_served(served, evaluation.info.family)


def engine(evaluation: Evaluation, info: ModelInfo) -> Engine:
    """Make the engine that answers; it still has to be started."""
    if evaluation.engine_url:
        from egm_core.engines.openai import OpenAIEngine

        return OpenAIEngine(evaluation.engine_url, clear_hosts=evaluation.key_in_clear, precision=evaluation.precision)
    if info.path is None:
        raise FileNotFoundError(f"the model {evaluation.model!r} is not a folder; name a folder")
    if evaluation.inside:
        return evaluation.inside.engine(info.path)
    from egm_core.engines.local import TransformersEngine

    threads = evaluation.threads
    return TransformersEngine(info.path, device=evaluation.device, max_pixels=info.max_pixels, threads=threads)


@dataclass(frozen=True)
class _Process:
    """What a process keeps from share to share; its end frees the OpenGL context and the model."""

    evaluation: Evaluation
    info: ModelInfo
    generator: Generator
    answer: Answerer


_process: _Process | None = None


def _prepare() -> None:
    """Let a process of its own use one core: torch's, OpenMP's and the software renderer's threads.

    Ctrl-C goes to all processes of a terminal; the first one ends the others.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    import torch

    torch.set_num_threads(1)


def _share(evaluation: Evaluation, seeds: range) -> list[Asked]:
    """Render and answer the scenes of some seeds in a process of its own."""
    global _process
    if _process is None or _process.evaluation != evaluation:
        info = evaluation.info
        running = engine(evaluation, info)
        running.start()
        _check(evaluation, _ready(evaluation, running))
        _process = _Process(evaluation, info, Generator(), answerer(running, evaluation.batch))
    scenes = (_process.generator.scene(seed) for seed in seeds)
    return list(_asked(evaluation, scenes, _process.info, _process.answer))


def _asked(evaluation: Evaluation, scenes: Iterable[Scene], info: ModelInfo, answer: Answerer) -> Iterator[Asked]:
    e = evaluation
    return ask(scenes, info, answer, e.queries_per_scene, e.reasoning, e.mode, e.at_once)
