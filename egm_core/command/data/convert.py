"""`egm data convert KIND`: a data set's files as a sample file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.data.licence import add_licence
from egm_core.command.data.missing import add_missing_share
from egm_core.data.convert import convert
from egm_core.data.kinds import kinds


def add(commands: Any) -> None:
    """Add the command and its kinds."""
    known = kinds()
    first = next(iter(known.values()))
    own = commands.add_parser(
        "convert",
        help="write a data set's files as samples",
        description="Write a data set's files as samples. KIND --help lists what a kind takes.",
        example=f"{first.name} {first.example} --out samples.jsonl",
    )
    choices = own.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in known.values():
        one: Parser = choices.add_parser(
            kind.name,
            help=kind.summary,
            description=f"{kind.summary[0].upper()}{kind.summary[1:]}.\nLicence of the data set: {kind.licence}.",
            example=f"{kind.example} --out samples.jsonl",
        )
        kind.arguments(one)
        one.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
        add_licence(one)
        add_missing_share(one, "samples")
        notes.add_options(one)
        one.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    for line in convert(kinds()[options.kind], options, options.out, options.missing_share, options.licence):
        print(line)
