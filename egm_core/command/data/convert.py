"""`egm data convert KIND`: a data set's files as a sample file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.command.data.kind_parsers import kind_parsers
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
    for _, one in kind_parsers(own, known.values(), "samples.jsonl"):
        one.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
        add_licence(one)
        add_missing_share(one, "samples")
        notes.add_options(one)
        one.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    for line in convert(kinds()[options.kind], options, options.out, options.missing_share, options.licence):
        print(line)
