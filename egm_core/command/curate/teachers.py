"""The steps of a set that ask a teacher, as a command line names it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.command.curate import second
from egm_core.curate import provenance
from egm_core.curate.money.estimate import estimate
from egm_core.curate.prompts import load
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import Ask, reason
from egm_core.curate.sets.amodal_train import NEIGHBOURS, OBJECTS
from egm_core.curate.sets.expressing import Manner, express
from egm_core.curate.sets.workers import Worker, Workers, steps
from egm_core.curate.teacher import LEDGER, Teacher, arguments, ask
from egm_core.curate.verify.run import verified
from egm_core.sample import Sample, read_samples

# Titles of progress, by the prompt that is asked.
TITLES = {"express": "expressing", "reason_amodal": "reasoning"}
# The kinds of verification for which a second model should be another than the one that wrote the expressions.
STRICTER = "hits both"


def workers(options: argparse.Namespace, asks: bool) -> Workers:
    """Give the steps that ask; without `asks` no teacher is needed, and none is looked for."""
    teacher = arguments.teacher(options) if asks else Teacher(name="nobody")
    ledger = _ledger(options)

    def put(who: Teacher, title: str) -> Ask:
        return lambda jobs: ask(jobs, who, ledger, title)

    return _workers(options, teacher, second.second(options, teacher, STRICTER) if asks else teacher, put)


def expected(options: argparse.Namespace, objects: Path, reasoned: bool) -> str:
    """Say what all steps will cost at most: as if every object passed every one of them. Nothing is asked."""
    teacher = arguments.teacher(options)
    other = second.second(options, teacher, STRICTER)
    jobs: dict[str, list[Job]] = {teacher.model: [], other.model: []}

    def put(who: Teacher, title: str) -> Ask:
        def collect(found: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
            jobs[who.model].extend(found)
            return iter(())

        return collect

    with TemporaryDirectory() as folder:
        for step in steps(_workers(options, teacher, other, put), reasoned):
            step.work(objects, Path(folder) / step.file)
    title = "all steps, if every object passes each"
    prices = {other.model: other.price, teacher.model: teacher.price}
    return "\n".join(
        estimate(found, model, prices[model], title, len(found), _ledger(options), 0.0)
        for model, found in jobs.items()
        if found
    )


def _ledger(options: argparse.Namespace) -> Path:
    named: Path | None = options.ledger
    return named or Path(options.out) / LEDGER


def _workers(options: argparse.Namespace, teacher: Teacher, other: Teacher, put: second.Put) -> Workers:
    manner = Manner(teacher.model, teacher.sampling, teacher.terms)

    def others() -> list[Sample]:
        # Objects that lost their expression on the way are in the pictures still.
        files = [Path(options.out) / name for name in (f"{OBJECTS}.jsonl", NEIGHBOURS)]
        return [sample for file in files if file.is_file() for sample in read_samples(file)]

    def expressing(source: Path, out: Path) -> Mapping[str, Any]:
        return express(source, out, manner, put(teacher, TITLES["express"]), others())

    def verifying(source: Path, out: Path) -> Mapping[str, Any]:
        fits, hits = second.fits(options, teacher, put), second.hit(options, other, put)
        return {"verification": verified(source, out, fits, hits, others())}

    def reasoning(source: Path, out: Path) -> Mapping[str, Any]:
        made = Asking("amodal", manner.model, manner.sampling)
        asked = put(teacher, TITLES["reason_amodal"])
        samples = list(read_samples(source))
        known = provenance.of_records(source, len(samples))
        return {"rates": reason(samples, made, asked, out, manner.terms, others=others(), known=known)}

    def about(prompt: str) -> dict[str, Any]:
        return {"prompt": load(prompt).label, **teacher.about()}

    verification = {**about("verify"), "kind": options.kind}
    if options.kind != "fits":
        verification["second"] = other.about() | {"family": options.family, "max_tokens": options.second_max_tokens}
    return Workers(
        Worker(expressing, about("express")),
        Worker(verifying, verification),
        Worker(reasoning, about("reason_amodal")),
    )
