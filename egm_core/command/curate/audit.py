"""`egm curate audit FILE`: a sheet of samples for people to judge, and the error rate of their judgements."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SEED, whole
from egm_core.console import WRONG
from egm_core.curate.audit.interval import read_judgements
from egm_core.curate.audit.items import chosen, items

# So many images that are not there are named.
SHOWN = 3
_log = logging.getLogger("egm.curate")


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "audit",
        help="have people judge a random part of a file",
        description="Write a random part of a sample file as one HTML file: image, boxes, expression, reasoning and "
        "verdicts. Open it in a browser, press y or n for each, and export. --read turns the export into the line for "
        "a paper: the error rate with its interval.",
        example="reasoning.jsonl --samples 100 --out audit.html\n--read audit.json",
    )
    own.add_argument("file", nargs="?", type=Path, help="sample file, .jsonl or .parquet")
    own.add_argument("--samples", type=whole(1, 2000), default=100, help="how many are drawn")
    own.add_argument("--seed", type=SEED, default=0, help="seed of the choice")
    own.add_argument("--out", type=Path, default=Path("audit.html"), help="HTML file to write")
    own.add_argument("--read", type=Path, nargs="+", metavar="JSON", help="exported judgements: print their error rate")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if bool(options.file) == bool(options.read):
        options.own.error("give a sample file, or --read with what its sheet exported")
    if options.read:
        for path in options.read:
            print(read_judgements(path).line)
        return 0
    if options.out.suffix != ".html" or not options.out.parent.is_dir():
        _log.error("cannot write %s: give a name that ends in .html, in a folder that is there", options.out)
        return WRONG
    # Pictures are decoded here, and --help and --read need none of that.
    from egm_core.curate.audit.sheet import sheet
    from egm_core.sample.whole import written

    found = items(options.file)
    drawn = chosen(found, options.samples, options.seed)
    page, missing = sheet(drawn, str(options.file), options.seed, len(found))
    # A full disk leaves the sheet of before.
    with written(options.out) as part:
        part.write_text(page, encoding="utf-8")
    for name, why in list(missing.items())[:SHOWN]:
        _log.warning("%s is shown without its picture: %s", name, why)
    if len(missing) > SHOWN:
        _log.warning("%d images in all cannot be shown, and their texts cannot be judged by them", len(missing))
    print(f"{len(drawn)} of {len(found):,} texts -> {options.out}; open it, press y or n for each, and export")
    return 0
