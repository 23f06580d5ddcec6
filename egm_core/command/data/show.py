"""`egm data show FILE`: a contact sheet of samples or questions."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import cv2

from egm_core import notes
from egm_core.arguments import SEED, whole
from egm_core.data.overwrite import add_overwrite, refuse
from egm_core.data.readers.kind import PLACES, DataError
from egm_core.data.show import TILE, chosen, sheet
from egm_core.pictures.draw import check_writable

_log = logging.getLogger("egm.data")


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "show",
        help="draw a contact sheet of samples",
        description="Draw a contact sheet of samples, or of questions: visible boxes solid, amodal boxes dashed.",
        example="val.jsonl --out sheet.png --count 24 --columns 6",
    )
    own.add_argument("file", type=Path, help="sample file, .jsonl or .parquet, or file of questions")
    own.add_argument("--out", type=Path, required=True, help="image to write, .png or .jpg")
    add_overwrite(own)
    own.add_argument("--count", type=whole(1, 500), default=12, help="samples on the sheet, drawn at random")
    own.add_argument("--columns", type=whole(1, 50), default=4, help="samples side by side")
    own.add_argument("--seed", type=SEED, default=0, help="seed of the draw")
    own.add_argument("--tile", type=whole(64, 4096), default=TILE, help="longer side of an image on the sheet")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    try:
        check_writable(options.out)
    except ValueError as error:
        raise DataError(str(error)) from error
    refuse([options.out], options.overwrite)
    shown, whole_number = chosen(options.file, options.count, options.seed)
    picture, unread = sheet(shown, options.columns, options.tile)
    for line in unread[:PLACES]:
        _log.warning("%s", line)
    if unread:
        _log.warning("%d of %d pictures cannot be read; their tiles say so", len(unread), len(shown))
    if not cv2.imwrite(str(options.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {options.out}; may its folder be written to?")
    print(f"{len(shown)} of {whole_number:,} samples -> {options.out}")
