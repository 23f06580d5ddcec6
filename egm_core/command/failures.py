"""`egm evaluate failures`: lets several models judge why one fails, and prints the paper's Tables 1, 2 and 12."""

from __future__ import annotations

import argparse
import json
import logging
import math
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import COUNT, PIXELS, Parser, address, apart, whole
from egm_core.asking.store import files_of
from egm_core.command.paper_tables import named
from egm_core.engines.http.served_models import Wanted
from egm_core.evaluate.failures.agreement import kappa, reasons_table, recovery_table, shared
from egm_core.evaluate.failures.judging import Failure, failures, framed, judged, part_of
from egm_core.evaluate.reports import learnt, part
from egm_core.evaluate.results import check_same_queries, read
from egm_core.evaluate.samples.side_by_side import SideBySide
from egm_core.evaluate.waiting import add_wait, awaited

_log = logging.getLogger("egm.evaluate")

UNREADABLE = 0.05
_REMEDY = {
    "unreadable": "run again to ask these anew, or with a larger --max-tokens where they were cut",
    "failed": "run again to ask these anew",
}


def judge(word: str) -> tuple[str, str]:
    """Take NAME=URL."""
    name, equals, url = word.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{word!r} must be NAME=URL, such as gpt-5=https://api.example.com")
    return name, address(url)


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "failures", help="let several models judge why one fails: the paper's Tables 1, 2 and 12",
        example="out/small.json --judge gpt-5=https://api.example.com --judge local=http://localhost:8000\n"
        "out/small.json --judge local=http://localhost:8000 --by InternVL-3-78B=out/large.json",
    )  # fmt: skip
    own.add_argument("result", type=Path, help="result of `refer --json` whose wrong answers are judged")
    own.add_argument(
        "--judge",
        type=judge,
        action="append",
        required=True,
        metavar="NAME=URL",
        help="OpenAI-compatible server that judges; NAME is its model's, where it has several",
    )
    own.add_argument(
        "--by",
        type=named,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="result of another model on the same files: how many of the failures it gets right",
    )
    own.add_argument("--most", type=PIXELS, metavar="N", help="judge a random part of N failures only")
    own.add_argument("--max-tokens", type=whole(16, 1_000_000), default=1024, help="longest judgement")
    own.add_argument("--batch", type=COUNT, default=8, help="questions under way at each judge")
    own.add_argument("--api-key-env", default="OPENAI_API_KEY", metavar="NAME", help="variable that holds the API key")
    own.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    add_wait(own)
    own.add_argument("--answers", type=Path, help="folder of the judgements (default: beside the result)")
    own.add_argument("--json", type=Path, help="write every judgement here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> int:
    """Judge and print; 1 where a judge gave no answer to some, or none that can be read to too many."""
    own: Parser = arguments.own
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if len({name for name, _ in arguments.judge}) < len(arguments.judge):
        own.error("--judge: two judges have one name; give each its own")
    for name, _ in arguments.judge:
        apart(own, arguments.json, "json", files_of(_file(arguments, name)), f"{name}'s judgements")
    result = read(arguments.result.stem, arguments.result)
    if not result.of_samples:
        raise ValueError(f"{arguments.result} is about scenes, whose pictures are not kept: give a result of `refer`")
    others = [read(name or path.stem, path) for name, path in arguments.by]
    check_same_queries([result, *others])
    warnings = learnt.of_rows(answer.row for answer in result.answers)
    if only := part.of_result(result.about):
        warnings.append(only)
    for words in warnings:
        _log.warning("%s: %s", arguments.result, words)
    found, unanswered = failures(result)
    if unanswered:
        _log.warning("%d questions got no answer, which says nothing of the model: they are not judged", unanswered)
    whole_count = len(found)
    found = part_of(found, arguments.most)
    if not found:
        raise ValueError(f"{arguments.result} has no wrong answer to judge")
    only = ""
    if len(found) < whole_count:
        only = f"PART ONLY: {len(found):,} of {whole_count:,} wrong answers are judged (--most), drawn at random"
        warnings.append(only)
    judgements, left = {}, {}
    for name, url in arguments.judge:
        judgements[name], left[name] = _ask(arguments, name, url, found)
    seeds = {failure.answer.id: failure.answer.seed for failure in found}
    print(f"{result.about['model']}: {len(found)} wrong answers, judged by {', '.join(judgements)}\n")
    if only:
        print(f"{only}\n")
    print(reasons_table(judgements, seeds, with_paper=True) + "\n")
    if len(judgements) > 1:
        value = kappa(judgements)
        both = len(shared(judgements))
        why = "all chose one reason" if both else "no failure has a reason from every judge"
        told = f"cannot be told: {why}" if math.isnan(value) else f"is {value:.2f}"
        print(f"Fleiss' kappa of {len(judgements)} judges over {both} of {len(found)} failures {told}\n")
    if others:
        print(recovery_table(judgements, others))
    for name, counts in left.items():
        for what, count in counts.items():
            if count:
                _log.warning(
                    "%s: %d of %d judgements %s, and in no share; %s", name, count, len(found), what, _REMEDY[what]
                )
    if arguments.json:
        told_of = {"model": result.about["model"], "judgements": judgements, "left_out": left, "warnings": warnings}
        arguments.json.write_text(json.dumps(told_of, indent=1), encoding="utf-8")
        print(f"\nthe judgements: {arguments.json}")
    unsure = any(counts["unreadable"] > UNREADABLE * len(found) for counts in left.values())
    return 1 if unsure or any(counts["failed"] for counts in left.values()) else 0


def _ask(
    arguments: argparse.Namespace, name: str, url: str, found: list[Failure]
) -> tuple[dict[str, str], dict[str, int]]:
    from egm_core.engines.openai import OpenAIEngine

    keys = {"api_key_env": arguments.api_key_env, "clear_hosts": arguments.key_in_clear}
    with OpenAIEngine(url, model=Wanted("", (name,)), **keys) as engine:
        health = awaited(engine, arguments.wait)
        asker = SideBySide(engine, framed, {"model": health.model}, arguments.batch)
        return judged(found, health.model, asker, _file(arguments, name), arguments.max_tokens)


def _file(arguments: argparse.Namespace, judge: str) -> Path:
    folder = Path(arguments.answers or arguments.result.with_suffix(".judged"))
    return folder / f"{judge.replace('/', '_')}.answers"
