"""`egm curate verify FILE`: whether expressions mean their object and no other, by either kind of check or both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.command.curate import second
from egm_core.command.curate.desk import Desk
from egm_core.command.curate.further import in_place
from egm_core.console import FAILED
from egm_core.curate.teacher import Teacher, arguments
from egm_core.curate.verify.rates import table
from egm_core.curate.verify.run import verified
from egm_core.sample import read_samples


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "verify",
        help="check whether expressions mean their object and no other",
        description="Check expressions. Kind fits, the paper's: the teacher sees the image with the box, and judges\n"
        "whether the expression is true of the object and of it alone. Kind hits: a second model on the plain image,\n"
        "asked twice, must hit the visible box at an IoU of 0.5 and no other annotated object better; what it hits\n"
        "once only goes into X.disagreements.jsonl. Wholly hidden objects can only pass the first kind.\n"
        "The rates of both are printed, and in X.rates.json.",
        example="expressed.jsonl --out verified.jsonl --kind both --teacher-url http://localhost:8000 "
        "--second-url http://localhost:8001\n"
        "expressed.jsonl --out verified.jsonl --teacher-model gpt-4.1 --dry-run",
    )
    own.add_argument("file", type=Path, help="sample file with expressions, .jsonl or .parquet")
    own.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
    own.add_argument("--others", type=Path, metavar="FILE", help="sample file of other objects of these images")
    second.add(own)
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    arguments.check_out(options.out)
    desk = Desk(arguments.ledger_of(options, options.out), options.dry_run)
    teacher = _teacher(options)
    other = second.second(options, teacher)

    fits, hits = second.fits(options, teacher, desk.put), second.hit(options, other, desk.put)
    others = list(read_samples(options.others)) if options.others else []
    with desk.output(options.out) as out:
        found = verified(options.file, out, fits, hits, others)
    if options.dry_run:
        print(desk.expected("verifying"))
        return 0
    print(table(found))
    desk.note(options.out)
    print(f"\n{found['kept']:,} of {found['samples']:,} samples -> {options.out}")
    return 0 if found["kept"] else FAILED


def _teacher(options: argparse.Namespace) -> Teacher:
    if (
        options.kind == "hits"
        and (options.second_url or options.second_model)
        and not (options.teacher_url or options.inside)
    ):
        # Then there is one model only, the second.
        return arguments.teacher(in_place(options, "second"))
    return arguments.teacher(options)
