"""`egm evaluate compare`: sets two stored results on the same queries against each other."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.evaluate.reports.intervals import legend, missing, written
from egm_core.evaluate.reports.report import difference
from egm_core.evaluate.results import FORBIDDEN, forbidden, read, reasoning_tokens


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "compare",
        help="compare two JSON results on the same queries: the second minus the first",
        example="out/first.json out/second.json",
    )
    own.add_argument("first", type=Path, help="result of `scenes --json`")
    own.add_argument("second", type=Path, help="result of `scenes --json`, on the same seeds")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Print the second result minus the first."""
    one, two = (read(path.stem, path) for path in (arguments.first, arguments.second))
    found = difference(one, two)
    print(f"{arguments.second} minus {arguments.first}: above zero, {arguments.second} is better")
    print(f"success is IoU {'>' if one.about['strict'] else '>='} 0.5")
    # Two files of one name would read as one model against itself.
    for path, result in ((arguments.first, one), (arguments.second, two)):
        if forbidden(result.about):
            print(f"{path}: {FORBIDDEN}")
    if forbidden(one.about) != forbidden(two.about):
        print("so the difference, or a part of it, is what reasoning is worth")
    print()
    unit = "images" if one.of_samples else "scenes"
    for group, c in found.items():
        ends = written(c, "+.1f", 100, between=", ") if c.bounded else missing(c, unit)
        above = "" if math.isnan(c.above_zero) else f", above zero in {100 * c.above_zero:.0f} % of the resamples"
        print(f"{group:<20} {100 * c.difference:+6.1f} points [{ends}], n {c.count}{above}")
    if tokens := two.since(one, reasoning_tokens, lambda a: a.key in two.by_key, share=False):
        ends = written(tokens, "+.1f", between=", ") if tokens.bounded else missing(tokens, unit)
        print(f"{'reasoning tokens':<20} {tokens.difference:+6.1f} a question [{ends}], n {tokens.count}")
    print(f"\n{legend(unit)}")
