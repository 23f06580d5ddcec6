"""`egm data check FILE`: whether the boxes of sample files are pixels of corners, as all else needs them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.data.readers.kind import DataError
from egm_core.sample import read_placed
from egm_core.sample.box_check import BoxCheck


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "check",
        help="say whether the boxes of sample files are pixels of corners",
        description="Read sample files and say what is wrong with their boxes, with status 1: another unit, another "
        "order, sides below a pixel, amodal boxes that do not hold the visible ones. Training looks at images, too.",
        example="train.jsonl val.jsonl",
    )
    own.add_argument("files", type=Path, nargs="+", metavar="file", help="sample file, .jsonl or .parquet")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    status = 0
    for path in options.files:
        check = BoxCheck()
        for place, sample in tqdm(read_placed(path), unit="sample", desc="checking", disable=None):
            check.take(place, sample)
        if not check.records:
            raise DataError(f"{path}: the file holds no sample")
        wrong = check.words()
        status |= bool(wrong)
        print("\n".join(f"{path}: {line}" for line in wrong or [f"{check.records:,} records, boxes as they should be"]))
    return int(status)
