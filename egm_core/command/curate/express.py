"""`egm curate express FILE`: a teacher writes expressions for objects that have a mere name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import whole
from egm_core.console import FAILED
from egm_core.curate.teacher import arguments


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "express",
        help="have a teacher write expressions for objects that have a mere name",
        description="Have a teacher write an expression for each object: it sees the image and a copy with the box.\n"
        "Equal expressions of one object are kept once; one that two objects of an image got is dropped from both.",
        example="objects.jsonl --out expressed.jsonl --per-object 3 --teacher-url http://localhost:8000\n"
        "objects.jsonl --out expressed.jsonl --teacher-model gpt-4.1 --dry-run",
    )
    own.add_argument("file", type=Path, help="sample file, .jsonl or .parquet, whose `sent` is the object's name")
    own.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
    own.add_argument("--per-object", type=whole(1, 20), default=1, help="how often each object is asked about")
    own.add_argument("--others", type=Path, metavar="FILE", help="sample file of other objects of these images")
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Pictures and clients are loaded here, and --help needs none of them.
    from egm_core.command.curate.desk import Desk
    from egm_core.curate import provenance
    from egm_core.curate.sets.expressing import Manner, express
    from egm_core.sample import read_samples

    arguments.check_out(options.out)
    teacher = arguments.teacher(options)
    desk = Desk(arguments.ledger_of(options, options.out), options.dry_run)
    manner = Manner(teacher.model, teacher.sampling, teacher.terms, options.per_object, teacher.retries)
    others = list(read_samples(options.others)) if options.others else []
    with desk.output(options.out) as out:
        express(options.file, out, manner, desk.put(teacher, "expressing"), others)
    if options.dry_run:
        print(desk.expected("expressing"))
        return 0
    kept = sum(1 for _ in read_samples(options.out))
    for line in provenance.reasons(options.out):
        print(line)
    desk.note(options.out)
    print(f"{kept:,} expressions -> {options.out}")
    return 0 if kept else FAILED
