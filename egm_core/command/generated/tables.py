"""`egm evaluate tables`: the paper's tables in small, from stored results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.evaluate.reports.chart import draw
from egm_core.evaluate.reports.tables import sections
from egm_core.evaluate.results import check_reasoning, check_same_queries, read

_STAGES = {
    "base": ("base", "the model before SFT"),
    "sft": ("+ SFT", "the model after SFT"),
    "rl": ("+ RL", "the model after RL"),
}
_DIRECT = {"sft-direct": ("sft", "the model after SFT"), "rl-direct": ("rl", "the model after RL")}


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "tables",
        help="print the paper's tables in small from JSON results, as Markdown",
        example="--base out/base.json --sft out/sft.json --rl out/rl.json",
    )
    for name, (_, what) in _STAGES.items():
        own.add_argument(f"--{name}", type=Path, help=f"result of {what}")
    for name, (_, what) in _DIRECT.items():
        own.add_argument(f"--{name}", type=Path, help=f"result of {what} with --no-reasoning")
    own.add_argument("--ablation", action="append", default=[], metavar="NAME=FILE", help="a run to hold against")
    own.add_argument("--png", type=Path, help="draw accuracy against reasoning tokens here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> None:
    """Print the tables, and draw the picture that is asked for."""
    given = {name: path for name, path in vars(arguments).items() if isinstance(path, Path)}
    stages = {name: read(label, given[name]) for name, (label, _) in _STAGES.items() if name in given}
    direct = {}
    for option, (stage, _) in _DIRECT.items():
        if path := given.get(option.replace("-", "_")):
            if stage not in stages:
                raise ValueError(f"--{option} is compared with the same weights' reasoning: give --{stage} too")
            direct[stage] = read(f"{stages[stage].name}, no reasoning", path)
    ablations = []
    for spec in arguments.ablation:
        name, equals, file = spec.rpartition("=")
        if not equals or not name:
            raise ValueError(f"--ablation {spec} is not NAME=FILE, such as success_weight_1=out/one.json")
        ablations.append(read(name, Path(file)))
    results = [*stages.values(), *direct.values(), *ablations]
    if not results:
        raise ValueError("there is no result to print: give --base, --sft, --rl or --ablation")
    check_same_queries(results)
    check_reasoning(stages.values(), direct.values())
    print("\n\n".join(sections(stages, direct, ablations)))
    if arguments.png:
        draw(results, arguments.png)
        print(f"\nthe picture: {arguments.png}")
