"""`egm curate reason FILE`: a teacher's reasoning for samples, judged before it is written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SEED, whole
from egm_core.command.curate import judge
from egm_core.console import FAILED
from egm_core.curate.teacher import arguments
from egm_core.data.readers.kind import DataError
from egm_core.families import TASKS


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "reason",
        help="have a teacher write reasoning for samples",
        description="Have a teacher write how to find each sample's object. It sees the image and a copy with the "
        "true box. What names numbers or the drawing, refuses, breaks off, or speaks against the sample is left out. "
        "A judge then reads the rest without the image, and decides what the rules merely suspect: the teacher's own "
        "model, unless --judge-model names another or --no-judge asks none. "
        "Beside the samples are their provenance, the failures, and the rate of each step.",
        example="train.jsonl --out reasoned.jsonl --teacher-url http://localhost:8000\n"
        "train.jsonl --out reasoned.jsonl --task amodal --teacher-model gpt-4.1 --judge-model gpt-5-mini "
        "--judge-temperature 1 --judge-max-tokens 2000 --dry-run",
    )
    own.add_argument("file", type=Path, help="sample file, .jsonl or .parquet")
    own.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
    own.add_argument("--task", choices=TASKS, default="visible", help="the box that the reasoning leads to")
    own.add_argument(
        "--samples", type=whole(1, 10**9), help="ask about so many of them, drawn at random (default: all)"
    )
    own.add_argument("--seed", type=SEED, default=0, help="seed of that choice")
    own.add_argument(
        "--others",
        type=Path,
        metavar="FILE",
        help="sample file of other objects of these images: what may be spoken of",
    )
    judge.add(own)
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Pictures and clients are loaded here, and --help needs none of them.
    from egm_core.command.curate.desk import Desk
    from egm_core.curate import provenance
    from egm_core.curate.reason.questions import Asking, has_question
    from egm_core.curate.reason.rates import table
    from egm_core.curate.reason.run import reason
    from egm_core.curate.reason.sampled import sampled
    from egm_core.sample import read_samples

    arguments.check_out(options.out)
    samples = list(read_samples(options.file))
    if not any(has_question(sample, options.task) for sample in samples):
        raise DataError(f"{options.file}: no sample has a box for {options.task} reasoning")
    teacher = arguments.teacher(options)
    judging = judge.teacher(options, teacher)
    desk = Desk(arguments.ledger_of(options, options.out), options.dry_run)
    known = provenance.of_records(options.file, len(samples))
    asking = Asking(options.task, teacher.model, teacher.sampling, retries=teacher.retries)
    with desk.output(options.out) as out:
        found = reason(
            samples,
            asking,
            desk.put(teacher, "reasoning"),
            out,
            teacher.terms,
            sampled(samples, options.task, options.samples, options.seed),
            list(read_samples(options.others)) if options.others else [],
            known,
            judge.judge(judging, desk, options.strict_rules) if judging else None,
        )
    if options.dry_run:
        print(desk.expected("reasoning"))
        return 0
    print(table(found))
    desk.note(options.out)
    print(f"\n{found['kept']:,} of {found['questions']:,} samples -> {options.out}")
    return 0 if found["kept"] else FAILED
