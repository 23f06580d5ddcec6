"""`egm data write KIND`: a sample file as a file that other programs of the field read."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.data.convert import left_out
from egm_core.data.overwrite import add_overwrite
from egm_core.data.readers.kind import Tally
from egm_core.data.writing import write, writers

_log = logging.getLogger("egm.data")


def add(commands: Any) -> None:
    """Add the command and its kinds."""
    known = writers()
    first = next(iter(known.values()))
    own = commands.add_parser(
        "write",
        help="write samples as the files of other programs",
        description="Write samples as the files of other programs. KIND --help lists what a kind takes.",
        example=f"{first.name} {first.example}",
    )
    choices = own.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in known.values():
        one: Parser = choices.add_parser(
            kind.name,
            help=kind.summary,
            description=f"Write {kind.summary}.",
            example=kind.example,
        )
        one.add_argument("file", type=Path, help="sample file, .jsonl or .parquet")
        kind.arguments(one)
        one.add_argument("--out", type=Path, required=True, help="file or folder to write")
        add_overwrite(one)
        notes.add_options(one)
        one.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    tally = Tally()
    try:
        count = write(writers()[options.kind], options.file, options.out, options, tally)
    finally:
        for line in left_out(tally):
            _log.warning("%s", line)
    print(f"{count:,} samples -> {options.out}")
