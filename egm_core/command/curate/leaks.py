"""`egm curate leaks FILE`: experiments that show whether a teacher's reasoning gives away what only it saw."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SEED, whole
from egm_core.console import FAILED
from egm_core.curate.teacher import arguments
from egm_core.data.readers.kind import DataError
from egm_core.families import TASKS

EXPERIMENTS = ("colour", "text")


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "leaks",
        help="look for leaks in reasoning by experiment",
        description="Look for leaks by asking once more. colour: the same questions with two colours of the frame; a "
        "colour word that changes with it is a leak. text: a reader without the image guesses the box by the words, "
        "held against other samples' boxes, which is chance, and against the expression alone.",
        example="colour train.jsonl --samples 100 --teacher-url http://localhost:8000\n"
        "text reasoned.jsonl --samples 100 --teacher-url http://localhost:8000",
    )
    own.add_argument("experiment", choices=EXPERIMENTS, help="what is tried")
    own.add_argument("file", type=Path, help="sample file; with reasoning for text")
    own.add_argument("--task", choices=TASKS, default="visible", help="the box that the reasoning leads to")
    own.add_argument("--samples", type=whole(2, 100_000), default=100, help="how many samples are drawn")
    own.add_argument("--seed", type=SEED, default=0, help="seed of the choice")
    own.add_argument("--others", type=Path, metavar="FILE", help="sample file of other objects of these images")
    own.add_argument("--json", type=Path, help="write the figures here, too")
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from egm_core.command.curate.desk import Desk
    from egm_core.curate.experiments import recolour, text_only
    from egm_core.curate.reason.questions import Asking
    from egm_core.curate.reason.sampled import sampled
    from egm_core.sample import read_samples

    samples = list(read_samples(options.file))
    if options.experiment == "text":
        field = "reasoning" if options.task == "visible" else "amodal_reasoning"
        samples = [sample for sample in samples if getattr(sample, field)]
    drawn = sampled(samples, options.task, options.samples, options.seed)
    if not drawn:
        what = f"{options.task} reasoning" if options.experiment == "text" else f"a {options.task} box"
        raise DataError(f"{options.file}: no sample has {what}")
    teacher = arguments.teacher(options)
    desk = Desk(arguments.ledger_of(options, options.file), options.dry_run)
    asked = desk.put(teacher, options.experiment)
    summed: Callable[[], dict[str, Any]]
    if options.experiment == "colour":
        asking = Asking(options.task, teacher.model, teacher.sampling)
        others = list(read_samples(options.others)) if options.others else []
        pairs = recolour.recoloured(samples, asking, asked, drawn, others)
        summed, told = lambda: recolour.summary(pairs), recolour.table
    else:
        chosen = [samples[number] for number in sorted(drawn)]
        guesses = text_only.guesses(chosen, options.task, teacher.model, teacher.sampling, asked)
        summed, told = lambda: text_only.summary(guesses, options.seed), text_only.table
    if options.dry_run:
        print(desk.expected(options.experiment))
        return 0
    found = summed()
    print(told(found))
    print(desk.spent())
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0 if found.get("samples") or found.get("all", {}).get("pairs") else FAILED
