"""Evaluate a model on generated scenes, and print the table by world and kind.

python -m egm_core.evaluate scenes --first-seed 500000000 --scenes 1000 [--model PATH] [--json FILE]
python -m egm_core.evaluate scenes ... --processes 2   (a core each; the answers are those of one)
python -m egm_core.evaluate scenes ... --engine-url http://localhost:8000   (a server has the model)
python -m egm_core.evaluate compare FIRST.json SECOND.json
python -m egm_core.evaluate tables --base B.json --sft S.json --rl R.json [--sft-direct SD.json --rl-direct RD.json]
    [--ablation NAME=FILE.json ...] [--png FILE]
python -m egm_core.evaluate mix --scenes 200
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from egm_core.engines import EngineError
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.chart import draw
from egm_core.evaluate.mix import measured_mix
from egm_core.evaluate.report import Report, compare
from egm_core.evaluate.results import check_reasoning, check_same_queries, read
from egm_core.evaluate.scores import Row
from egm_core.evaluate.shares import Evaluation, evaluate
from egm_core.evaluate.tables import sections
from egm_core.model_folder import EMBEDDED
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

_STAGES = {
    "base": ("base", "the model before SFT"),
    "sft": ("+ SFT", "the model after SFT"),
    "rl": ("+ RL", "the model after RL"),
}
_DIRECT = {"sft-direct": ("sft", "the model after SFT"), "rl-direct": ("rl", "the model after RL")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m egm_core.evaluate", description="Evaluate grounding models.")
    commands = parser.add_subparsers(dest="command", required=True)
    scenes = commands.add_parser("scenes", help="ask a model about generated scenes")
    scenes.add_argument("--first-seed", type=int, default=EVALUATION_FIRST_SEED, help="seed of the first scene")
    scenes.add_argument("--scenes", type=int, default=1000, help="number of scenes")
    scenes.add_argument("--queries-per-scene", type=int, default=3, help="expressions per scene, each asked twice")
    scenes.add_argument("--model", default=EMBEDDED, help="model folder, or the embedded model's name")
    scenes.add_argument("--engine-url", help="ask an OpenAI-compatible server instead; --model still says how to ask")
    scenes.add_argument("--device", default="auto", help="torch device of the in-process engine")
    scenes.add_argument("--threads", type=int, help="torch threads of the in-process engine")
    scenes.add_argument("--batch", type=int, default=32, help="queries answered together; a tiny model gains up to 96")
    scenes.add_argument("--processes", type=int, default=1, help="processes that render and answer, a core each")
    scenes.add_argument("--workers", type=int, default=1, help="processes that only render, for a single answering one")
    scenes.add_argument("--mode", choices=("strict", "paper", "paper_eval"), default="paper", help="rules for boxes")
    scenes.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    scenes.add_argument("--threshold-strict", action="store_true", help="success needs IoU > 0.5, as in the paper")
    scenes.add_argument("--json", type=Path, help="write figures and one record per answer here")
    versus = commands.add_parser("compare", help="compare two JSON results on the same queries")
    versus.add_argument("first", type=Path)
    versus.add_argument("second", type=Path)
    tables = commands.add_parser("tables", help="print the paper's tables in small from JSON results, as Markdown")
    for name, (_, what) in _STAGES.items():
        tables.add_argument(f"--{name}", type=Path, help=f"result of {what}")
    for name, (_, what) in _DIRECT.items():
        tables.add_argument(f"--{name}", type=Path, help=f"result of {what} with --no-reasoning")
    tables.add_argument("--ablation", action="append", default=[], metavar="NAME=FILE", help="a run to hold against")
    tables.add_argument("--png", type=Path, help="draw accuracy against reasoning tokens here")
    mix = commands.add_parser("mix", help="print the mix of expressions, wanted and measured")
    mix.add_argument("--first-seed", type=int, default=0)
    mix.add_argument("--scenes", type=int, default=200)
    return parser


def _evaluation(arguments: argparse.Namespace) -> Evaluation:
    return Evaluation(
        model=arguments.model,
        first_seed=arguments.first_seed,
        scenes=arguments.scenes,
        queries_per_scene=arguments.queries_per_scene,
        reasoning=not arguments.no_reasoning,
        mode=arguments.mode,
        engine_url=arguments.engine_url,
        device=arguments.device,
        threads=arguments.threads,
        batch=arguments.batch,
    )


def _scenes(arguments: argparse.Namespace) -> None:
    evaluation = _evaluation(arguments)
    info = evaluation.info
    rows: list[Row] = []
    seconds = 0.0
    with tqdm(total=evaluation.scenes, unit="scene", disable=None) as bar:
        for asked in evaluate(evaluation, arguments.processes, arguments.workers):
            rows += asked.rows
            seconds += asked.seconds
            bar.update(asked.scenes)
    report = Report(rows, arguments.threshold_strict)
    ms = 1000 * seconds / max(len(rows), 1)
    print(f"{info.name} {info.version}: {arguments.scenes} scenes from seed {arguments.first_seed}\n")
    print(report.text(ms))
    if arguments.json:
        about = {
            "model": info.name,
            "version": info.version,
            "first_seed": evaluation.first_seed,
            "scenes": evaluation.scenes,
            "queries_per_scene": evaluation.queries_per_scene,
            "reasoning": evaluation.reasoning,
            "mode": evaluation.mode,
            "ms_per_query": ms,
        }
        arguments.json.write_text(json.dumps(report.as_json(**about)))


def _compare(arguments: argparse.Namespace) -> None:
    for group, c in compare(arguments.first, arguments.second).items():
        print(
            f"{group:<20} {100 * c.difference:+6.1f} points [{100 * c.low:+.1f}, {100 * c.high:+.1f}], "
            f"n {c.count}, above zero in {100 * c.above_zero:.0f} % of the resamples"
        )


def _tables(arguments: argparse.Namespace) -> None:
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "scenes":
            _scenes(arguments)
        elif arguments.command == "compare":
            _compare(arguments)
        elif arguments.command == "tables":
            _tables(arguments)
        else:
            print(measured_mix(rendered(arguments.first_seed, arguments.scenes)))
    except (EngineError, OSError, ValueError, RuntimeError) as error:
        print(f"egm_core.evaluate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
