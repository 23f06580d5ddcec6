"""`egm evaluate growth`: measures how far whole objects stand out of what is seen of them, for `amodal --growth`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.evaluate.samples.growth import measured, written


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "growth",
        help="measure on a training file by how much a visible box has to grow, for `amodal --growth`",
        description="Measure on a training file by how much visible boxes have to grow to be the whole objects':\n"
        "toward what hides them, as shares of the visible box.",
        example="amodal_train.jsonl --out growth.json",
    )
    own.add_argument("file", type=Path, help="sample file of a training set, with visible and amodal boxes")
    own.add_argument("--out", type=Path, help="write the means here, as JSON")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and keep."""
    if arguments.out and not arguments.out.parent.is_dir():
        arguments.own.error(f"--out: there is no folder {arguments.out.parent} to write into; make it first")
    found = measured(arguments.file)
    print(found.words())
    if arguments.out:
        arguments.out.write_text(written(found), encoding="utf-8")
        print(f"the means: {arguments.out}")
