"""A whole run: every engine, every size of picture and every load, the cells that a file has left out."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from egm_core.bench import contenders, energy
from egm_core.bench.bandwidth import bandwidth
from egm_core.bench.cells import Bench, Cell
from egm_core.bench.contenders import Ready
from egm_core.bench.floor import Weights, floor, weights_of
from egm_core.bench.load import under_load
from egm_core.bench.questions import Question, Size, posed
from egm_core.bench.report import ROUNDS
from egm_core.engines.base import EngineError, Sampling

# Rounds of questions before those that count, under the same load: kernels and caches are made at the first ones.
WARM = 2
# What a chat template writes around a question.
AROUND = 10
_log = logging.getLogger("egm.bench")
_Failed = (EngineError, FileNotFoundError, ValueError, RuntimeError)


@dataclass(frozen=True)
class Asked:
    """What every engine is asked: questions, at which sizes, how many side by side, and how it may answer."""

    questions: Sequence[Question]
    number: int
    sizes: Sequence[Size | None]
    at_once: Sequence[int]
    max_tokens: int | None
    max_pixels: int | None


def run(options: argparse.Namespace, asked: Asked, bench: Bench, keep: Callable[[Bench], None]) -> None:
    """Measure what the bench lacks, and `keep` it after each cell.

    An engine that cannot be measured becomes a cell that says why. Raises only where the first one, which the options
    choose, cannot even begin.
    """
    jobs: list[tuple[str, AbstractContextManager[Ready]]] = [(contenders.name_of(options), contenders.chosen(options))]
    for name, python in options.against:
        label = contenders.OWN if name == contenders.AGAINST[0] else name
        jobs.append((label, contenders.other(options, name, python)))
    known: dict[int, float] = {}
    for number, (name, opening) in enumerate(jobs):
        wanted = [(size, n) for size in asked.sizes for n in asked.at_once
                  if not bench.has((name, bench.settings["model"], spelt(size), n))]  # fmt: skip
        if not wanted:
            _log.info("%s: everything is measured already", name)
            continue
        try:
            with opening as ready:
                _engine(name, ready, asked, wanted, options, bench, keep, known)
        except _Failed as error:
            if number == 0 and not isinstance(error, EngineError):
                raise
            words = " ".join(str(error).split())
            _log.warning("%s cannot be measured: %s", name, words)
            for size, n in wanted:
                if not bench.has((name, bench.settings["model"], spelt(size), n)):
                    bench.take(Cell(name, bench.settings["model"], spelt(size), n, wrong=words))
            keep(bench)


def spelt(size: Size | None) -> str:
    """Write a size as 1280x720."""
    return f"{size[0]}x{size[1]}" if size else "as it is"


def _engine(
    name: str, ready: Ready, asked: Asked, wanted: Sequence[tuple[Size | None, int]], options: argparse.Namespace,
    bench: Bench, keep: Callable[[Bench], None], known: dict[int, float],
) -> None:  # fmt: skip
    gpu = ready.here and torch.cuda.is_available() and options.device != "cpu"
    weights, speed = _speed(ready, gpu, options, bench, known)
    sampling = Sampling(max_tokens=asked.max_tokens or ready.info.max_tokens or 4096)
    for size, at_once in wanted:
        # More rounds of the questions where fewer would not fill the load.
        count = max(asked.number, ROUNDS * at_once)
        make = partial(
            posed, info=ready.info, size=size, sampling=sampling, max_pixels=asked.max_pixels, logprobs=ready.logprobs
        )
        warm = [make(asked.questions[place % len(asked.questions)]) for place in range(WARM * at_once)]
        tried = under_load(ready.engine, warm, at_once).answers
        if all(answer.error for answer in tried):
            raise EngineError("engine_failed", ready.why() or tried[0].error)
        todo = [make(asked.questions[place % len(asked.questions)]) for place in range(count)]
        title = f"{name}, {spelt(size)}, {at_once} at once"
        with tqdm(total=count, unit="question", desc=title, disable=None) as bar, energy.measured() as used:
            found = under_load(ready.engine, todo, at_once, bar.update)
        cell = Cell.of(
            found.answers, found.seconds, engine=name, model=bench.settings["model"], size=spelt(size), at_once=at_once,
            busy=round(found.busy, 2),
        )  # fmt: skip
        answered = cell.questions - cell.failed
        if answered and ready.here:
            cell = replace(cell, joules={meter: joules / answered for meter, joules in used.joules.items()})
        if cell.total and weights and speed:
            image = todo[0]().image
            prompt = _prompt(ready, image.shape[0], image.shape[1], todo[0]().prompt)
            least = floor(weights, speed, prompt, cell.tokens, at_once, 4 * image.size)
            cell = replace(cell, prompt=prompt, floor=least)
        bench.take(cell)
        keep(bench)


def _speed(
    ready: Ready, gpu: bool, options: argparse.Namespace, bench: Bench, known: dict[int, float]
) -> tuple[Weights | None, float]:
    """Count the model's bytes and measure the memory; nothing where the engine is elsewhere or its model unknown."""
    if not ready.here:
        bench.about["no_floor"] = "the floor is not told: the server is on another machine"
        return None, 0.0
    if ready.info.path is None:
        bench.about["no_floor"] = "the floor is not told: name the model's folder with --model"
        return None, 0.0
    from egm_core.train.plan.architectures import architecture

    found = weights_of(architecture(str(ready.info.path)), contenders.bytes_a_value(ready, gpu))
    if found.token not in known:
        measured = bandwidth(torch.device("cuda" if gpu else "cpu"), found.token)
        known[found.token] = measured.best
        bench.about |= {"bytes_a_second": max(known.values()), "bandwidth_doubt": measured.doubt}
        bench.about["bytes_a_token"] = found.token
    return found, known[found.token]


def _prompt(ready: Ready, height: int, width: int, words: str) -> int:
    """Count the tokens of a question about as its engine does."""
    from transformers import AutoTokenizer

    from egm_core.train.plan.architectures import architecture, picture

    folder = str(ready.info.path)
    text: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return math.ceil(picture(folder, architecture(folder), height, width).tokens + len(text(words).input_ids) + AROUND)
