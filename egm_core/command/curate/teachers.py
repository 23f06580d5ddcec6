"""The steps of a set that ask a teacher, as a command line names it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate.money.estimate import estimate
from egm_core.curate.prompts import load
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import Ask, reason
from egm_core.curate.sets.amodal_train import NEIGHBOURS
from egm_core.curate.sets.expressing import Manner, express, verify
from egm_core.curate.sets.workers import Worker, Workers, steps
from egm_core.curate.teacher import LEDGER, Teacher, arguments, ask
from egm_core.sample import read_samples

# Titles of progress, by the prompt that is asked.
TITLES = {"express": "expressing", "verify": "verifying", "reason_amodal": "reasoning"}


def workers(options: argparse.Namespace, asks: bool) -> Workers:
    """Give the steps that ask; without `asks` no teacher is needed, and none is looked for."""
    teacher = arguments.teacher(options) if asks else Teacher(name="nobody")
    ledger = _ledger(options)

    def asking(title: str) -> Ask:
        def put(jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
            return ask(jobs, teacher, ledger, title)

        return put

    return _workers(options, teacher, asking)


def expected(options: argparse.Namespace, objects: Path, reasoned: bool) -> str:
    """Say what all steps will cost at most: as if every object passed every one of them. Nothing is asked."""
    teacher = arguments.teacher(options)
    jobs: list[Job] = []

    def asking(title: str) -> Ask:
        def collect(found: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
            jobs.extend(found)
            return iter(())

        return collect

    with TemporaryDirectory() as folder:
        for step in steps(_workers(options, teacher, asking), reasoned):
            step.work(objects, Path(folder) / step.file)
    title = "all steps, if every object passes each"
    return estimate(jobs, teacher.model, teacher.price, title, len(jobs), _ledger(options), 0.0)


def _ledger(options: argparse.Namespace) -> Path:
    named: Path | None = options.ledger
    return named or Path(options.out) / LEDGER


def _workers(options: argparse.Namespace, teacher: Teacher, asking: Any) -> Workers:
    manner = Manner(teacher.model, teacher.sampling, teacher.terms)
    others = Path(options.out) / NEIGHBOURS

    def reasoning(source: Path, out: Path) -> Mapping[str, Any]:
        made = Asking("amodal", manner.model, manner.sampling)
        return {"rates": reason(list(read_samples(source)), made, asking(TITLES["reason_amodal"]), out, manner.terms)}

    def about(prompt: str) -> dict[str, Any]:
        return {"prompt": load(prompt).label, **teacher.about()}

    return Workers(
        Worker(lambda source, out: express(source, out, manner, asking(TITLES["express"]), others), about("express")),
        Worker(lambda source, out: verify(source, out, manner, asking(TITLES["verify"]), others), about("verify")),
        Worker(reasoning, about("reason_amodal")),
    )
