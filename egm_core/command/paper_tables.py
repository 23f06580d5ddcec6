"""`egm evaluate table` and `latency`: results on samples in the layouts of the paper, its own values beside them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.bench import cells
from egm_core.evaluate.paper.grounding import WITHOUT
from egm_core.evaluate.paper.training import TABLE_9
from egm_core.evaluate.reports.field_tables import Model, hard, on_shared, plain, table_4, table_5, table_9, whole_paper
from egm_core.evaluate.reports.latency import Times, draw, table
from egm_core.evaluate.reports.theirs import METRICS
from egm_core.evaluate.reports.theirs import table as theirs_table
from egm_core.evaluate.results import FORBIDDEN, Result, check_same_queries, forbidden, read

TABLES = (4, 5, 9, 10, 11)
STAGES = ("base", "sft", "rl")


def named(word: str) -> tuple[str, Path]:
    """Take NAME=FILE, or FILE, whose name is then the model's in it."""
    name, _, file = word.rpartition("=")
    return name, Path(file)


def add(commands: Any) -> None:
    """Add both commands to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "table", help="print results on samples as Table 4, 5, 9, 10 or 11 of the paper, with its values",
        description="Print results on samples as a table of the paper, its own values and the differences beside.\n"
        "4: eight splits of RefCOCO, RefCOCO+ and RefCOCOg; 5: amodal boxes; 9: stages of training;\n"
        "10: without reasoning; 11: hard samples. Results are what `egm evaluate refer --json` or `amodal` wrote.",
        example="4 EGM-8B=out/egm8b.json Qwen3-VL-8B-Thinking=out/qwen8b.json\n"
        "10 EGM-8B=out/egm8b.json 'EGM-8B w/o R=out/direct.json'\n9 base=a.json sft=b.json rl=c.json --size 8B",
    )  # fmt: skip
    own.add_argument("number", type=int, choices=TABLES, help="which table of the paper")
    own.add_argument(
        "results",
        type=named,
        nargs="*",
        metavar="NAME=FILE",
        help="results; files of one name are one line. NAMEs of 9: base, sft, rl; of 11: base, egm",
    )
    own.add_argument(
        "--size", default="", choices=[*TABLE_9], help="print this line of the paper's Table 9 (default: no line)"
    )
    own.add_argument("--paper", action="store_true", help="print all lines of the paper's Tables 4 and 10 as well")
    notes.add_options(own)
    times: Parser = commands.add_parser(
        "latency", help="print and draw accuracy against the time an answer takes, as Figure 5 of the paper",
        description="Print each result's mean time an answer and its accuracy, with the load and the machine they\n"
        "were measured on, and draw them as Figure 5 of the paper. Only times of one load on one machine compare.",
        example="EGM-8B=out/egm8b.json Qwen3-VL-8B-Instruct=out/qwen.json --draw out/latency.svg --paper\n"
        "EGM-8B=out/egm8b.json --times EGM-8B=out/bench.json",
    )  # fmt: skip
    times.add_argument("results", type=named, nargs="+", metavar="NAME=FILE", help="results on samples")
    times.add_argument(
        "--times", type=named, nargs="+", default=[], metavar="NAME=FILE",
        help="take a model's times from what `egm bench --json` wrote, and only its accuracy from its result",
    )  # fmt: skip
    times.add_argument("--draw", type=Path, help="draw here, .svg or .png")
    times.add_argument("--paper", action="store_true", help="print and draw the paper's own models, too")
    notes.add_options(times)
    theirs: Parser = commands.add_parser(
        "theirs", help="score a result on a harder set by that set's own rule, beside ours",
        description="Score a stored result by the rule of a harder set's own code, ours beside it,\n"
        "and say how they differ.",
        example="out/grounding_me.json --rule grounding-me",
    )  # fmt: skip
    theirs.add_argument("result", type=Path, help="result of `refer --json`")
    theirs.add_argument("--rule", choices=sorted(METRICS), required=True, help="whose rule")
    notes.add_options(theirs)


def models(results: list[tuple[str, Path]]) -> list[Model]:
    """Read the results of each model, under the name that was given, else its own.

    Of one model, answers for which reasoning was forbidden are another line than those with it.
    """
    found: dict[str, list[Result]] = {}
    for name, path in results:
        result = read(name, path)
        own = str(result.about["model"]) + (WITHOUT if forbidden(result.about) else "")
        found.setdefault(name or own, []).append(result)
    return [Model(name, tuple(mine)) for name, mine in found.items()]


def run_table(arguments: argparse.Namespace) -> None:
    """Print a table."""
    given = models(arguments.results)
    stages = {model.name: model for model in given}
    if arguments.paper:
        print(whole_paper() + "\n")
    if not given:
        if not arguments.paper:
            raise ValueError("there is no result to print: give NAME=FILE, or --paper for the paper's own lines")
        return
    _check_task(given, arguments.number)
    _check_reasoning(given)
    if arguments.number in (4, 10):
        print(table_4(given))
    elif arguments.number == 5:
        print(table_5(given))
    elif arguments.number == 9:
        _only(stages, STAGES, "9")
        print(table_9(stages, arguments.size))
    else:
        _only(stages, ("base", "egm"), "11")
        if len(stages) < 2 or any(len(model.results) != 1 for model in given):
            raise ValueError("Table 11 takes one file each: base=FILE egm=FILE")
        check_same_queries([stages[name].results[0] for name in ("base", "egm")])
        (base, egm), told = on_shared([stages[name] for name in ("base", "egm")])
        print("\n\n".join([hard(base.results[0], egm.results[0]), *(f"- {words}" for words in told)]))


def _check_task(given: list[Model], number: int) -> None:
    """Make sure that amodal boxes stand in Table 5 alone, and nothing else in it."""
    wanted = "amodal" if number == 5 else "visible"
    for result in (result for model in given for result in model.results):
        if (task := result.about.get("task", wanted)) != wanted:
            verb = "amodal" if number == 5 else "refer"
            raise ValueError(
                f"{result.path} is about {task} boxes, and Table {number} about {wanted} ones: give a result of "
                f"`egm evaluate {verb}`"
            )


def _check_reasoning(given: list[Model]) -> None:
    """Make sure that a line "w/o R" was made with reasoning forbidden, and the line it is held against was not."""
    names = {plain(model.name) for model in given}
    for model in given:
        without = model.name.endswith(WITHOUT)
        if not without and plain(model.name + WITHOUT) not in names:
            continue
        for result in model.results:
            if bool(result.about["reasoning"]) == without:
                how = "with reasoning" if without else "with --no-reasoning"
                raise ValueError(
                    f"{result.path} was made {how}, so it cannot be the line {model.name!r}: swap the files?"
                )


def _only(stages: dict[str, Model], names: tuple[str, ...], number: str) -> None:
    for name in stages:
        if name not in names:
            raise ValueError(f"{name!r} has no place in Table {number}: name results {', '.join(names)}, as base=FILE")


def run_theirs(arguments: argparse.Namespace) -> None:
    """Print a set's own figures."""
    result = read("", arguments.result)
    if forbidden(result.about):
        print(f"{FORBIDDEN}\n")
    print(theirs_table(arguments.rule, result))


def benched(path: Path) -> Times:
    """Read the times of one question at a time, of the first engine of what `egm bench --json` wrote."""
    bench = cells.read(path)
    cell = next((cell for cell in bench.cells if cell.at_once == 1 and cell.total is not None), None)
    if cell is None:
        raise ValueError(f"{path} has no times of one question at a time: run egm bench with --concurrency 1")
    machine = ", ".join(str(bench.about[name]) for name in ("machine", "device") if bench.about.get(name))
    asked = f"one at a time of {cell.engine}, {cell.questions} images of {cell.size}"
    return Times(cell.answer_ms, asked, machine or "not told")


def run_latency(arguments: argparse.Namespace) -> None:
    """Print and draw times."""
    if arguments.draw and arguments.draw.suffix not in (".svg", ".png"):
        raise ValueError(f"--draw {arguments.draw}: the file must end in .svg or .png")
    given, told = on_shared(models(arguments.results))
    times = {name: benched(path) for name, path in arguments.times}
    if strange := [name or "nothing" for name in times if name not in {model.name for model in given}]:
        raise ValueError(f"--times {strange[0]} is no result's name: give NAME=FILE with one of those before it")
    print("\n".join([table(given, arguments.paper, times), *(f"\n- {words}" for words in told)]))
    if arguments.draw:
        draw(given, arguments.draw, arguments.paper, times)
        print(f"\nthe picture: {arguments.draw}")
