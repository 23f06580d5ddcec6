"""`egm evaluate scenes`: asks a model about generated scenes, and tells how often it is right."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import SCENES, SEED, Parser
from egm_core.command.generated.asking import evaluation, options, rows_of
from egm_core.console import INTERRUPTED
from egm_core.evaluate.reports import learnt
from egm_core.evaluate.reports.report import Report
from egm_core.evaluate.results import FORBIDDEN
from egm_core.models.calibration import weights_digest
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

_log = logging.getLogger("egm.evaluate")


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "scenes",
        parents=[options()],
        help="ask a model about generated scenes",
        example="--scenes 1000 --processes 2 --json out/tiny.json",
    )
    own.add_argument("--first-seed", type=SEED, default=EVALUATION_FIRST_SEED, help="seed of the first scene")
    own.add_argument("--scenes", type=SCENES, default=1000, help="number of scenes")
    own.add_argument("--mode", choices=("strict", "paper", "paper_eval"), default="paper", help="rules for boxes")
    own.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    own.add_argument("--threshold-strict", action="store_true", help="success needs IoU > 0.5, as in the paper")
    own.add_argument("--json", type=Path, help="write figures and one record per answer here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> int:
    """Ask, print the figures and store them; gives the exit status."""
    asked = evaluation(arguments)
    info = asked.info
    for words in learnt.of_seeds(arguments.first_seed, arguments.scenes):
        _log.warning("%s", words)
    rows, seconds, reached = rows_of(asked, arguments)
    report = Report(rows, arguments.threshold_strict)
    ms = 1000 * seconds / max(len(rows), 1)
    manner = "" if asked.reasoning else f"; {FORBIDDEN}"
    print(f"{info.name} {info.version}: {reached} scenes from seed {arguments.first_seed}{manner}\n")
    if reached < arguments.scenes:
        print(f"PART ONLY: interrupted after {reached} of {arguments.scenes} scenes\n")
    print(report.text(ms))
    if arguments.json:
        about = {
            "model": info.name,
            "version": info.version,
            "first_seed": asked.first_seed,
            "scenes": reached,
            "queries_per_scene": asked.queries_per_scene,
            "reasoning": asked.reasoning,
            "mode": asked.mode,
            "ms_per_query": ms,
            "engine": asked.engine_kind,
            "weights_sha256": weights_digest(info.path) if info.path else None,
            "warnings": learnt.of_seeds(arguments.first_seed, reached),
        }
        arguments.json.write_text(json.dumps(report.as_json(**about)))
        print(f"\nthe result: {arguments.json}")
    if reached < arguments.scenes:
        _log.error("interrupted: the figures are of %d of %d scenes", reached, arguments.scenes)
        return INTERRUPTED
    return 0
