"""`egm evaluate report`: stored results as one HTML file, with tables, plots and a gallery of the answers."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SCENES, Parser, number
from egm_core.evaluate.html.page import LIMIT, page
from egm_core.evaluate.html.runs import Run, read
from egm_core.sample.whole import written

_log = logging.getLogger("egm.evaluate")


def add(commands: Any) -> None:
    """Add the command to the parsers of `egm evaluate`."""
    own = commands.add_parser(
        "report",
        help="write stored results as one HTML file with a gallery of the answers",
        description="Write stored results as one HTML file that needs no network: tables, plots, and a gallery of the\n"
        "answers with truth and prediction. Several results are set side by side.",
        example="out/mine.json out/other.json --out out/report.html",
    )
    own.add_argument("results", type=Path, nargs="+", help="files that `--json` wrote, one a model")
    own.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    own.add_argument("--title", default="", help="what stands at its head (default: the models' names)")
    own.add_argument("--no-pictures", action="store_true", help="leave the images out")
    own.add_argument("--most", type=SCENES, help="keep this many questions of each file, evenly drawn (default: all)")
    own.add_argument("--megabytes", type=number(1, 2000), default=LIMIT / 1e6, help="what the file may weigh")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Read, write, and say what was cut or left out; raises OSError or ValueError."""
    own: Parser = arguments.own
    if not arguments.out.parent.is_dir():
        own.error(f"--out: there is no folder {arguments.out.parent} to write into; make it first")
    if arguments.out.is_dir():
        own.error(f"--out {arguments.out} is a folder; name a file in it")
    runs = [_drawn(read(path), arguments.most) for path in arguments.results]
    made = page(runs, arguments.title, not arguments.no_pictures, round(arguments.megabytes * 1e6))
    with written(arguments.out) as part:
        part.write_text(made.html, encoding="utf-8")
    for words in made.warnings:
        _log.warning("%s", words)
    for note in made.notes:
        (
            _log.warning
            if any(word in note for word in ("cut", "could not", "not paired", "no hash", "differ"))
            else _log.info
        )("%s", note)
    answers = sum(len(run.answers) for run in runs)
    print(f"{arguments.out}: {answers} answers, {arguments.out.stat().st_size / 1e6:.1f} MB")


def _drawn(whole_run: Run, most: int | None) -> Run:
    """Keep every nth question, so that all splits keep their shares."""
    count = len(whole_run.questions)
    if most is None or count <= most:
        return whole_run
    kept = [i * count // most for i in range(most)]
    _log.warning("%s: %d of %d questions are kept (--most)", whole_run.path, most, count)
    return replace(
        whole_run, questions=[whole_run.questions[i] for i in kept], answers=[whole_run.answers[i] for i in kept]
    )
