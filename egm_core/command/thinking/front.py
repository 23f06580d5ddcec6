"""`egm evaluate front`: accuracy against tokens and milliseconds of thinking never, always, or by the model's gate."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.evaluate.results import SAMPLES, read
from egm_core.evaluate.thinking import tight
from egm_core.evaluate.thinking.chart import draw
from egm_core.evaluate.thinking.front import front, table
from egm_core.evaluate.thinking.pairs import paired
from egm_core.grounder.gate_file import gates_of, note
from egm_core.models.calibration import weights_digest
from egm_core.models.folder import EMBEDDED, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "front",
        help="hold a model that thinks by its gate against one that thinks never, and always",
        description="Print accuracy, tokens and milliseconds of each way to choose when to think, on held-out scenes.",
        example="out/direct.json out/thinking.json --png out/front.png",
    )
    own.add_argument("direct", type=Path, help="result of `scenes --no-reasoning --json` on evaluation seeds")
    own.add_argument("thinking", type=Path, help="result of `scenes --json` on the same seeds")
    own.add_argument("--model", default=EMBEDDED, help="model folder that was evaluated, with its gate")
    own.add_argument(
        "--cut", action="append", default=[], metavar="NAME=FILE", help="a result of thoughts that were cut"
    )
    own.add_argument("--png", type=Path, help="draw the front here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and draw."""
    pairs = paired(arguments.direct, arguments.thinking)
    folder = resolve(arguments.model)
    cuts = {}
    for spec in arguments.cut:
        name, equals, file = spec.rpartition("=")
        if not equals or not name:
            raise ValueError(f"--cut {spec} is not NAME=FILE, such as 40=out/cut.json")
        cuts[name] = read(name, Path(file))
    for file, about, seeds in (
        (arguments.direct, pairs.about, pairs.scenes.tolist()),
        *((cut.path, cut.about, [answer.seed for answer in cut.answers]) for cut in cuts.values()),
    ):
        _check(file, about, min(seeds), folder)
    if reason := note(folder):
        print(f"{reason}\n")
    gates = gates_of(folder)
    points = front(pairs, gates, cuts)
    print(table(points))
    if told := tight.table(tight.tight(pairs, gates)):
        print(f"\n{told}")
    if arguments.png:
        draw(points, arguments.png)


def _check(file: Path, about: Mapping[str, Any], first: int, folder: Path) -> None:
    """Raise ValueError for answers of other weights than the gate's, or about scenes that may have been fitted to."""
    if about.get("of") != SAMPLES and first < EVALUATION_FIRST_SEED:
        raise ValueError(
            f"{file}: seeds from {first} on may have been fitted to: evaluate from {EVALUATION_FIRST_SEED} on"
        )
    if about.get("weights_sha256") not in (None, weights_digest(folder)):
        raise ValueError(f"{file} was not made with the weights in {folder}: name the folder of its model with --model")
