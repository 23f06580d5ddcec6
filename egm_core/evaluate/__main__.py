"""Evaluate a model on generated scenes, and print the table by world and kind.

python -m egm_core.evaluate scenes --first-seed 500000000 --scenes 1000 [--model PATH] [--json FILE]
python -m egm_core.evaluate scenes ... --engine-url http://localhost:8000   (a server has the model)
python -m egm_core.evaluate compare FIRST.json SECOND.json
python -m egm_core.evaluate mix --scenes 200
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from egm_core.engines import Engine, EngineError
from egm_core.evaluate.asking import answerer, ask, rendered
from egm_core.evaluate.mix import measured_mix
from egm_core.evaluate.report import Report, compare
from egm_core.evaluate.scores import Row
from egm_core.model_folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED


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
    scenes.add_argument("--batch", type=int, default=16, help="queries answered together")
    scenes.add_argument("--workers", type=int, default=1, help="processes that render")
    scenes.add_argument("--mode", choices=("strict", "paper", "paper_eval"), default="paper", help="rules for boxes")
    scenes.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    scenes.add_argument("--threshold-strict", action="store_true", help="success needs IoU > 0.5, as in the paper")
    scenes.add_argument("--json", type=Path, help="write figures and one record per answer here")
    versus = commands.add_parser("compare", help="compare two JSON results on the same queries")
    versus.add_argument("first", type=Path)
    versus.add_argument("second", type=Path)
    mix = commands.add_parser("mix", help="print the mix of expressions, wanted and measured")
    mix.add_argument("--first-seed", type=int, default=0)
    mix.add_argument("--scenes", type=int, default=200)
    return parser


def _engine(arguments: argparse.Namespace, info: ModelInfo) -> Engine:
    if arguments.engine_url:
        from egm_core.engines.openai import OpenAIEngine

        return OpenAIEngine(arguments.engine_url)
    from egm_core.engines.local import TransformersEngine

    if info.path is None:
        raise FileNotFoundError(f"the model {arguments.model!r} is not a folder; name a folder")
    return TransformersEngine(info.path, device=arguments.device, max_pixels=info.max_pixels, threads=arguments.threads)


def _scenes(arguments: argparse.Namespace) -> None:
    info = load_info(resolve(arguments.model))
    rows: list[Row] = []
    seconds = 0.0
    with _engine(arguments, info) as engine:
        engine.wait_ready()
        scenes = tqdm(
            rendered(arguments.first_seed, arguments.scenes, arguments.workers),
            total=arguments.scenes,
            unit="scene",
            disable=None,
        )
        for asked in ask(
            scenes,
            info,
            answerer(engine, arguments.batch),
            arguments.queries_per_scene,
            not arguments.no_reasoning,
            arguments.mode,
        ):
            rows += asked.rows
            seconds += asked.seconds
    report = Report(rows, arguments.threshold_strict)
    ms = 1000 * seconds / max(len(rows), 1)
    print(f"{info.name} {info.version}: {arguments.scenes} scenes from seed {arguments.first_seed}\n")
    print(report.text(ms))
    if arguments.json:
        about = {
            "model": info.name,
            "version": info.version,
            "first_seed": arguments.first_seed,
            "scenes": arguments.scenes,
            "queries_per_scene": arguments.queries_per_scene,
            "reasoning": not arguments.no_reasoning,
            "mode": arguments.mode,
            "ms_per_query": ms,
        }
        arguments.json.write_text(json.dumps(report.as_json(**about)))


def _compare(arguments: argparse.Namespace) -> None:
    for group, c in compare(arguments.first, arguments.second).items():
        print(
            f"{group:<20} {100 * c.difference:+6.1f} points [{100 * c.low:+.1f}, {100 * c.high:+.1f}], "
            f"n {c.count}, above zero in {100 * c.above_zero:.0f} % of the resamples"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "scenes":
            _scenes(arguments)
        elif arguments.command == "compare":
            _compare(arguments)
        else:
            print(measured_mix(rendered(arguments.first_seed, arguments.scenes)))
    except (EngineError, OSError, ValueError, RuntimeError) as error:
        print(f"egm_core.evaluate: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
