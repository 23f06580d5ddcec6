"""`egm data training-set`: the paper's visible training set, rebuilt from REFER's files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import number
from egm_core.command.data.licence import add_licence
from egm_core.data.convert import MISSING_SHARE, convert
from egm_core.data.readers.kind import DataError
from egm_core.data.readers.referring.refer import IMAGES, PARTITIONS
from egm_core.data.readers.shared.pictures import add_images
from egm_core.data.training_set import Found, kind


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "training-set",
        help="rebuild the paper's visible training set from REFER's files",
        description="Rebuild the paper's visible training set: all training expressions of RefCOCO, RefCOCO+ and\n"
        "RefCOCOg whose image is in no evaluation split, and their mirror images. Its counts are printed beside\n"
        "the paper's, for how that set was made is inferred.",
        example="--root data/refcoco data/refcoco+ data/refcocog --images coco/train2014 --out train.jsonl",
    )
    own.add_argument("--root", type=Path, nargs="+", required=True, help="folders of the three data sets of REFER")
    own.add_argument(
        "--partition", choices=("auto", *PARTITIONS), default="auto", help="auto: umd for RefCOCOg, unc else"
    )
    add_images(own, what=f"ROOT/../{IMAGES}, as REFER has them")
    own.add_argument("--no-mirror", action="store_true", help="leave the mirror images out")
    own.add_argument("--out", type=Path, required=True, help="sample file to write, .jsonl or .parquet")
    add_licence(own)
    own.add_argument(
        "--missing-share",
        type=number(0, 1),
        default=MISSING_SHARE,
        help="share of the images that may be missing; their samples are kept",
    )
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    found = Found()
    rebuilt = kind(options.root, options.partition, not options.no_mirror, found)
    try:
        lines = convert(rebuilt, options, options.out, options.missing_share, options.licence)
    except DataError:
        # What was found says whether the files are the right ones.
        _tell(found.words() if found.kept or found.left_out else [])
        raise
    _tell([*lines, *found.words()])


def _tell(lines: list[str]) -> None:
    for line in lines:
        print(line)
