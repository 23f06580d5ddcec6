"""`egm evaluate calibrate`: turns a model's scores into probabilities, and keeps the curves beside its weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SCENES, SEED, Parser
from egm_core.command.generated.asking import evaluation, options, rows_of
from egm_core.evaluate.reports.origin import CALIBRATION_FIRST_SEED, Origin, stored
from egm_core.evaluate.reports.reliability import fitted, published, table
from egm_core.evaluate.reports.report import record
from egm_core.evaluate.results import answered
from egm_core.models.calibration import Measured, save
from egm_core.models.folder import resolve


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "calibrate",
        parents=[options()],
        help="turn scores into probabilities, beside the weights",
        example="--model models/mine --scenes 300 --processes 2",
    )
    own.add_argument("--first-seed", type=SEED, default=CALIBRATION_FIRST_SEED, help="seed of the first scene")
    own.add_argument("--scenes", type=SCENES, default=300, help="number of scenes")
    own.add_argument("--result", type=Path, help="use this stored result of `scenes --json` instead of asking")
    own.add_argument("--no-reasoning", action="store_true", help="of answers without thinking, as before a deadline")
    own.set_defaults(mode="strict", json=None)
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Fit the curves to answers about generated scenes, and store them."""
    asked = evaluation(arguments)
    folder = resolve(asked.model)
    if arguments.result:
        origin, answers = stored(arguments.result, folder)
        origin.check()
    else:
        origin = Origin(asked.engine_kind, asked.first_seed, asked.scenes, asked.reasoning)
        origin.check()
        rows, _, reached = rows_of(asked, arguments)
        if reached < asked.scenes:
            raise KeyboardInterrupt  # a part of the scenes fits no curves
        answers = [answered(record(row)) for row in rows]
    try:
        judged = published(answers)
        curves = fitted(judged)
    except ValueError as error:
        if arguments.result:
            raise
        raise RuntimeError(str(error)) from error  # nothing that was given is wrong: the model's answers are
    file = save(folder, origin.engine, Measured(curves, origin.first_seed, origin.scenes), origin.reasoning)
    print(f"{file}: {origin.engine}, {origin.scenes} scenes from seed {origin.first_seed}\n")
    print(f"On the very scenes of the fit, which flatters it:\n\n{table(judged, curves)}")
