"""`egm evaluate`: asks a model about generated scenes or sample files, and prints tables.

`scenes`, `refer`, `amodal` and `every` ask, `growth` measures for answers without a model, `compare` and `tables` set
stored results beside each other, `mix` tells what is asked, `calibrate` turns scores into probabilities, `reliability`
says what those are worth, and `pilot` whether a family's frame fits. `table`, `latency` and `failures` are the paper's
layouts.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import CORES, COUNT, SCENES, SEED, Parser, address, changed, device
from egm_core.command import failures, growth, paper_tables, pilot, refer, report
from egm_core.command.several import every
from egm_core.command.thinking import front, gate
from egm_core.console import INTERRUPTED, attempt
from egm_core.engines.devices import check_here
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.mix import measured_mix
from egm_core.evaluate.reports import learnt
from egm_core.evaluate.reports.chart import draw
from egm_core.evaluate.reports.diagram import draw_reliability
from egm_core.evaluate.reports.intervals import legend, missing, written
from egm_core.evaluate.reports.origin import CALIBRATION_FIRST_SEED, Origin, stored
from egm_core.evaluate.reports.reliability import fitted, published, table
from egm_core.evaluate.reports.report import Report, difference, record
from egm_core.evaluate.reports.tables import sections
from egm_core.evaluate.results import (
    FORBIDDEN,
    answered,
    check_reasoning,
    check_same_queries,
    forbidden,
    read,
    reasoning_tokens,
)
from egm_core.evaluate.scores import Row
from egm_core.evaluate.shares import Evaluation, evaluate
from egm_core.evaluate.waiting import add_wait
from egm_core.models.calibration import Measured, save, weights_digest
from egm_core.models.folder import EMBEDDED, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED
from egm_core.supervise import chosen as own_engine

_log = logging.getLogger("egm.evaluate")
_STAGES = {
    "base": ("base", "the model before SFT"),
    "sft": ("+ SFT", "the model after SFT"),
    "rl": ("+ RL", "the model after RL"),
}
_ASKED = (
    "queries_per_scene",
    "engine",
    "engine_url",
    "key_in_clear",
    "wait",
    "device",
    "threads",
    "batch",
    "processes",
    "workers",
    "first_seed",
    "scenes",
    "no_reasoning",
)
_DIRECT = {"sft-direct": ("sft", "the model after SFT"), "rl-direct": ("rl", "the model after RL")}


def parser(prog: str = "egm evaluate") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Evaluate grounding models on generated scenes and on sample files.",
        example="scenes --scenes 1000 --processes 2 --json out/tiny.json\ncompare out/first.json out/second.json",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    asked = Parser(add_help=False)
    asked.add_argument("--queries-per-scene", type=COUNT, default=3, help="expressions per scene, each asked twice")
    asked.add_argument("--model", default=EMBEDDED, help="model folder, or the embedded model's name")
    asked.add_argument("--engine-url", type=address, help="ask this OpenAI-compatible server; --model says how to ask")
    own_engine.add(asked, in_process=True)
    asked.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    add_wait(asked)
    asked.add_argument("--device", type=device, default="auto", help="torch device of the in-process engine")
    asked.add_argument("--threads", type=CORES, help="torch's threads in this process (default: torch decides)")
    asked.add_argument("--batch", type=COUNT, default=32, help="queries answered together; up to 96 for egm_tiny")
    asked.add_argument("--processes", type=CORES, default=1, help="processes that render and answer, a core each")
    asked.add_argument("--workers", type=CORES, default=1, help="processes that only render for one that answers")
    scenes = commands.add_parser(
        "scenes",
        parents=[asked],
        help="ask a model about generated scenes",
        example="--scenes 1000 --processes 2 --json out/tiny.json",
    )
    scenes.add_argument("--first-seed", type=SEED, default=EVALUATION_FIRST_SEED, help="seed of the first scene")
    scenes.add_argument("--scenes", type=SCENES, default=1000, help="number of scenes")
    scenes.add_argument("--mode", choices=("strict", "paper", "paper_eval"), default="paper", help="rules for boxes")
    scenes.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    scenes.add_argument("--threshold-strict", action="store_true", help="success needs IoU > 0.5, as in the paper")
    scenes.add_argument("--json", type=Path, help="write figures and one record per answer here")
    versus = commands.add_parser(
        "compare",
        help="compare two JSON results on the same queries: the second minus the first",
        example="out/first.json out/second.json",
    )
    versus.add_argument("first", type=Path, help="result of `scenes --json`")
    versus.add_argument("second", type=Path, help="result of `scenes --json`, on the same seeds")
    tables = commands.add_parser(
        "tables",
        help="print the paper's tables in small from JSON results, as Markdown",
        example="--base out/base.json --sft out/sft.json --rl out/rl.json",
    )
    for name, (_, what) in _STAGES.items():
        tables.add_argument(f"--{name}", type=Path, help=f"result of {what}")
    for name, (_, what) in _DIRECT.items():
        tables.add_argument(f"--{name}", type=Path, help=f"result of {what} with --no-reasoning")
    tables.add_argument("--ablation", action="append", default=[], metavar="NAME=FILE", help="a run to hold against")
    tables.add_argument("--png", type=Path, help="draw accuracy against reasoning tokens here")
    mix = commands.add_parser("mix", help="print the mix of expressions, wanted and measured", example="--scenes 200")
    mix.add_argument("--first-seed", type=SEED, default=0, help="seed of the first scene")
    mix.add_argument("--scenes", type=SCENES, default=200, help="number of scenes")
    fit = commands.add_parser(
        "calibrate",
        parents=[asked],
        help="turn scores into probabilities, beside the weights",
        example="--model models/mine --scenes 300 --processes 2",
    )
    fit.add_argument("--first-seed", type=SEED, default=CALIBRATION_FIRST_SEED, help="seed of the first scene")
    fit.add_argument("--scenes", type=SCENES, default=300, help="number of scenes")
    fit.add_argument("--result", type=Path, help="use this stored result of `scenes --json` instead of asking")
    fit.add_argument("--no-reasoning", action="store_true", help="of answers without thinking, as before a deadline")
    fit.set_defaults(mode="strict", json=None)
    pilot.add(commands)
    report.add(commands)
    worth = commands.add_parser(
        "reliability",
        help="say what raw and calibrated scores are worth on a stored result",
        example="out/tiny.json --png out/reliability.png",
    )
    worth.add_argument("result", type=Path, help="result of `scenes --json` on evaluation seeds")
    worth.add_argument("--model", default=EMBEDDED, help="model folder that was evaluated")
    worth.add_argument("--png", type=Path, help="draw the reliability diagram here")
    for command in (scenes, versus, tables, mix, fit, worth):
        notes.add_options(command)
    refer.add(commands)
    growth.add(commands)
    paper_tables.add(commands)
    failures.add(commands)
    gate.add(commands)
    front.add(commands)
    every.add(commands)
    return parser


def _evaluation(arguments: argparse.Namespace) -> Evaluation:
    inside = own_engine.within(arguments)
    if inside and (arguments.processes > 1):
        raise ValueError(
            f"--processes {arguments.processes} would load vLLM as often; leave that away, and say how many processes "
            "render by --workers"
        )
    if not arguments.engine_url and not inside:
        check_here(arguments.device)
    return Evaluation(
        model=arguments.model,
        first_seed=arguments.first_seed,
        scenes=arguments.scenes,
        queries_per_scene=arguments.queries_per_scene,
        reasoning=not arguments.no_reasoning,
        mode=arguments.mode,
        engine_url=arguments.engine_url,
        key_in_clear=tuple(arguments.key_in_clear),
        device=arguments.device,
        threads=arguments.threads,
        batch=arguments.batch,
        wait=arguments.wait,
        inside=inside,
        precision=arguments.engine_precision,
    )


def _rows(evaluation: Evaluation, arguments: argparse.Namespace) -> tuple[list[Row], float, int]:
    """Ask everything; gives the scored answers, the seconds that they took, and about how many scenes they are.

    Ctrl-C ends it with what was reached; KeyboardInterrupt where that is nothing.
    """
    rows: list[Row] = []
    seconds, scenes = 0.0, 0
    with tqdm(total=evaluation.scenes, unit="scene", desc="asking", disable=None) as bar:
        try:
            for asked in evaluate(evaluation, arguments.processes, arguments.workers):
                rows += asked.rows
                seconds += asked.seconds
                scenes += asked.scenes
                bar.update(asked.scenes)
        except KeyboardInterrupt:
            if not rows:
                raise
    return rows, seconds, scenes


def _scenes(arguments: argparse.Namespace) -> int:
    evaluation = _evaluation(arguments)
    info = evaluation.info
    for words in learnt.of_seeds(arguments.first_seed, arguments.scenes):
        _log.warning("%s", words)
    rows, seconds, reached = _rows(evaluation, arguments)
    report = Report(rows, arguments.threshold_strict)
    ms = 1000 * seconds / max(len(rows), 1)
    manner = "" if evaluation.reasoning else f"; {FORBIDDEN}"
    print(f"{info.name} {info.version}: {reached} scenes from seed {arguments.first_seed}{manner}\n")
    if reached < arguments.scenes:
        print(f"PART ONLY: interrupted after {reached} of {arguments.scenes} scenes\n")
    print(report.text(ms))
    if arguments.json:
        about = {
            "model": info.name,
            "version": info.version,
            "first_seed": evaluation.first_seed,
            "scenes": reached,
            "queries_per_scene": evaluation.queries_per_scene,
            "reasoning": evaluation.reasoning,
            "mode": evaluation.mode,
            "ms_per_query": ms,
            "engine": evaluation.engine_kind,
            "weights_sha256": weights_digest(info.path) if info.path else None,
            "warnings": learnt.of_seeds(arguments.first_seed, reached),
        }
        arguments.json.write_text(json.dumps(report.as_json(**about)))
        print(f"\nthe result: {arguments.json}")
    if reached < arguments.scenes:
        _log.error("interrupted: the figures are of %d of %d scenes", reached, arguments.scenes)
        return INTERRUPTED
    return 0


def _compare(arguments: argparse.Namespace) -> None:
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
        print(f"\nthe picture: {arguments.png}")


def _calibrate(arguments: argparse.Namespace) -> None:
    evaluation = _evaluation(arguments)
    folder = resolve(evaluation.model)
    if arguments.result:
        origin, answers = stored(arguments.result, folder)
        origin.check()
    else:
        origin = Origin(evaluation.engine_kind, evaluation.first_seed, evaluation.scenes, evaluation.reasoning)
        origin.check()
        rows, _, reached = _rows(evaluation, arguments)
        if reached < evaluation.scenes:
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


def _reliability(arguments: argparse.Namespace) -> None:
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


def _mix(arguments: argparse.Namespace) -> None:
    scenes = rendered(arguments.first_seed, arguments.scenes)
    print(measured_mix(tqdm(scenes, total=arguments.scenes, unit="scene", desc="rendering", disable=None)))


def _refuse_idle(own: Parser, arguments: argparse.Namespace) -> None:
    """End the command where options would do nothing, or its work could not be kept; say what changes no answer."""
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if arguments.command == "calibrate" and arguments.result and (idle := changed(own, arguments, _ASKED)):
        own.error(f"{idle} is about asking, and --result takes answers that are there; leave one of them away")
    if (arguments.engine_url or arguments.engine) and (idle := changed(own, arguments, ("device", "threads"))):
        _log.warning("%s does nothing: %s runs the model", idle, own_engine.runs(arguments))


def main(argv: Sequence[str] | None = None, prog: str = "egm evaluate") -> int:
    """Run the command line; gives the exit status."""
    arguments = parser(prog).parse_args(argv)
    notes.begin(arguments)
    if arguments.command in ("scenes", "calibrate"):
        _refuse_idle(arguments.own, arguments)
        return attempt(lambda: _with_engine(arguments))
    return attempt(lambda: COMMANDS[arguments.command](arguments))


def _with_engine(arguments: argparse.Namespace) -> int | None:
    """Ask the engine that is to be started for this run, or the one that is there."""
    with own_engine.chosen(arguments, arguments.model):
        return COMMANDS[arguments.command](arguments)


COMMANDS = {
    "scenes": _scenes,
    "compare": _compare,
    "tables": _tables,
    "mix": _mix,
    "calibrate": _calibrate,
    "reliability": _reliability,
    "pilot": pilot.run,
    "refer": refer.run,
    "amodal": refer.run,
    "growth": growth.run,
    "table": paper_tables.run_table,
    "latency": paper_tables.run_latency,
    "report": report.run,
    "theirs": paper_tables.run_theirs,
    "failures": failures.run,
    "gate": gate.run,
    "front": front.run,
    "every": every.run,
}
