"""`egm evaluate reliability`: says what raw and calibrated scores are worth on a stored result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.evaluate.reports.diagram import draw_reliability
from egm_core.evaluate.reports.origin import stored
from egm_core.evaluate.reports.reliability import published, table
from egm_core.models.folder import EMBEDDED, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "reliability",
        help="say what raw and calibrated scores are worth on a stored result",
        example="out/tiny.json --png out/reliability.png",
    )
    own.add_argument("result", type=Path, help="result of `scenes --json` on evaluation seeds")
    own.add_argument("--model", default=EMBEDDED, help="model folder that was evaluated")
    own.add_argument("--png", type=Path, help="draw the reliability diagram here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Print the table, and draw the diagram that is asked for."""
    folder = resolve(arguments.model)
    origin, answers = stored(arguments.result, folder)
    if origin.first_seed < EVALUATION_FIRST_SEED:
        raise ValueError(f"{arguments.result} is not from evaluation seeds: evaluate from {EVALUATION_FIRST_SEED} on")
    curves = origin.curves(folder)
    judged = published(answers)
    print(f"{arguments.result}: {origin.engine}, {origin.scenes} scenes from seed {origin.first_seed}\n")
    print(table(judged, curves))
    if arguments.png:
        draw_reliability(judged, curves, arguments.png)
        print(f"\nthe picture: {arguments.png}")
