"""`egm evaluate mix`: tells which expressions generated scenes are asked with."""

from __future__ import annotations

import argparse
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import SCENES, SEED, Parser
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.mix import measured_mix


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "mix", help="print the mix of expressions, wanted and measured", example="--scenes 200"
    )
    own.add_argument("--first-seed", type=SEED, default=0, help="seed of the first scene")
    own.add_argument("--scenes", type=SCENES, default=200, help="number of scenes")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Render scenes and print the mix."""
    scenes = rendered(arguments.first_seed, arguments.scenes)
    print(measured_mix(tqdm(scenes, total=arguments.scenes, unit="scene", desc="rendering", disable=None)))
