"""`egm evaluate refer` and `amodal`: asks a model about sample files, and scores it as the field does."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import CORES, COUNT, PIXELS, SEED, Parser, address, apart, changed, device
from egm_core.asking.store import files_of
from egm_core.engines.devices import check_here
from egm_core.evaluate.asking import Manner
from egm_core.evaluate.reports import learnt, part
from egm_core.evaluate.results import FORBIDDEN, forbidden
from egm_core.evaluate.samples import by_rule
from egm_core.evaluate.samples import growth as growing
from egm_core.evaluate.samples.asking import Budget, Planned, ask, plan, shuffled
from egm_core.evaluate.samples.baselines import RULES
from egm_core.evaluate.samples.growth import Growth
from egm_core.evaluate.samples.questions import Asked, read_questions, subset
from egm_core.evaluate.samples.results import Evaluated, sizes
from egm_core.evaluate.samples.rows import Rules, scored
from egm_core.evaluate.samples.subject import Ready, Subject, machine, ready
from egm_core.evaluate.samples.text import text
from egm_core.evaluate.waiting import add_wait
from egm_core.families import Task
from egm_core.families.vendors import names
from egm_core.models.folder import EMBEDDED
from egm_core.sample.box_check import FAULTS
from egm_core.supervise import chosen as own_engine
from egm_core.supervise.started import Running

TASKS: dict[str, Task] = {"refer": "visible", "amodal": "amodal"}
ANSWERS = ".answers"
_OF_MODELS = (
    "model", "family", "max_pixels", "no_reasoning", "engine", "engine_url", "engine_model", "adapter", "api_key_env",
    "key_in_clear", "wait", "mode", "whole_pixels", "answers", "budget", "batch", "device", "threads",
)  # fmt: skip
_log = logging.getLogger("egm.evaluate")
_ABOUT = {
    "refer": "ask a model for the visible boxes of sample files, such as RefCOCO's",
    "amodal": "ask a model for the amodal boxes of sample files, such as COCO-Amodal's",
}


def budget(word: str) -> tuple[str, int]:
    """Take requests=N or tokens=N."""
    name, _, count = word.partition("=")
    if name not in ("requests", "tokens") or not count.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} must be requests=N or tokens=N, such as tokens=2000000")
    return name, int(count)


_SERVED = "\ndata/*.jsonl --engine-url http://localhost:8000 --batch 32 --json out/served.json"
_EXAMPLES = {
    "refer": f"data/refcoco_val.jsonl --model models/EGM-8B --json out/egm8b.json{_SERVED}",
    "amodal": f"data/amodal_val.jsonl --model models/EGM-8B-amodal --json out/amodal.json{_SERVED}",
}


def add(commands: Any) -> list[Parser]:
    """Add both commands to those of `egm evaluate`; gives their parsers."""
    found = []
    for name, about in _ABOUT.items():
        own: Parser = commands.add_parser(
            name, help=about, description=f"{about[0].upper()}{about[1:]}; prints the tables.",
            example=_EXAMPLES[name],
        )  # fmt: skip
        _arguments(own)
        if TASKS[name] == "amodal":
            _amodal_arguments(own)
        found.append(own)
    return found


def _arguments(own: Parser) -> None:
    own.add_argument("files", type=Path, nargs="+", help="sample files, as `egm data convert` writes them")
    own.add_argument("--images", type=Path, help="folder of the images (default: each file's own)")
    own.add_argument("--sample", type=PIXELS, metavar="N", help="ask a random part of N questions")
    own.add_argument("--seed", type=SEED, default=42, help="which random part, of --sample or of a --budget")
    model = own.add_argument_group("model")
    model.add_argument("--model", default="", help=f"model folder (default: {EMBEDDED}, or what the server has)")
    model.add_argument("--family", choices=names(), default="", metavar="NAME",
                       help=f"how to ask and read: {', '.join(names())} (default: by its folder or name)")  # fmt: skip
    model.add_argument("--max-pixels", type=PIXELS, help="pixel budget (default: the model's own)")
    model.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    model.add_argument("--device", type=device, default="auto", help="torch device of the in-process engine")
    model.add_argument("--threads", type=CORES, help="torch's threads in this process (default: torch decides)")
    model.add_argument("--batch", type=COUNT, default=32, help="questions answered together, or side by side")
    started = own.add_argument_group("engine that is started for the run")
    own_engine.add(started, in_process=True)
    started.add_argument(
        "--adapter",
        default="",
        metavar="FOLDER",
        help="LoRA adapter that --engine vllm loads, and asks (default: none)",
    )
    server = own.add_argument_group("model behind a server")
    server.add_argument("--engine-url", type=address, help="ask this OpenAI-compatible server")
    server.add_argument("--engine-model", default="", help="the model's name there (default: its only one)")
    server.add_argument("--api-key-env", default="OPENAI_API_KEY", help="environment variable with the API key")
    server.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    add_wait(server)
    rules = own.add_argument_group("how answers are scored")
    rules.add_argument(
        "--mode",
        choices=("strict", "salvage", "paper", "paper_eval"),
        default="",
        help="rules for boxes (default: the released evaluation's; salvage for vendors)",
    )
    rules.add_argument("--at-least", action="store_true", help="success at IoU >= threshold (default: above)")
    rules.add_argument("--whole-pixels", action="store_true", help="round boxes as the released evaluation does")
    rules.add_argument("--all", action="store_true", help="print the tables by size, words, kind and so on as well")
    kept = own.add_argument_group("what is kept")
    kept.add_argument("--json", type=Path, help="write figures and one record per question here")
    kept.add_argument("--answers", type=Path, help=f"keep the answers here (default: beside --json, {ANSWERS})")
    kept.add_argument(
        "--budget", type=budget, action="append", default=[], metavar="WHAT=N",
        help="stop when the answers file has cost N requests, or N tokens",
    )  # fmt: skip
    notes.add_options(own)


def _amodal_arguments(own: Parser) -> None:
    plain = own.add_argument_group("answers without a model")
    plain.add_argument(
        "--growth", type=Path, metavar="FILE",
        help="sample file of a training set, or what `egm evaluate growth --out` wrote: by how much the visible box is "
        "enlarged (default: the mean of these files' other images)",
    )  # fmt: skip
    plain.add_argument(
        "--without-model",
        choices=sorted(RULES),
        help="answer by this rule, and ask no model; copy: true visible box copied",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask, score and print; gives the exit status, 1 where a budget ended before the questions did."""
    task = TASKS[arguments.command]
    rule: str | None = getattr(arguments, "without_model", None)
    answers = Path() if rule else _answers_file(arguments)
    growth = growing.read(arguments.growth) if getattr(arguments, "growth", None) else None
    if growth:
        _warn_same(growth, arguments.files)
    whole_set = read_questions(arguments.files, task, arguments.images)
    for reason, count in whole_set.left_out.items():
        _log.warning("left out: %d records: %s", count, reason)
    for words in whole_set.wrong_boxes:
        if FAULTS["unit"].words in words:
            raise ValueError(words)
        _log.warning("the figures may be worthless: %s", words)
    if arguments.json and arguments.json.is_file():
        pictures = {Path(question.sample.picture) for question in whole_set.questions}
        apart(arguments.own, arguments.json, "json", pictures, "a picture")
    asked = subset(whole_set, arguments.sample, arguments.seed)
    if not asked.questions:
        raise ValueError(f"{_names(arguments)} has no {task} question; is it the right file?")
    for words in _learnt(asked):
        _log.warning("%s", words)
    if rule:
        return _by_rule(arguments, whole_set, asked, rule, growth)
    # A started engine serves it by the name of the task.
    setattr(arguments, f"{task}_adapter", arguments.adapter)
    with own_engine.chosen(arguments, arguments.model, family=arguments.family) as running:
        return _by_model(arguments, running, whole_set, asked, growth, answers)


def _by_model(
    arguments: argparse.Namespace,
    running: list[Running],
    whole_set: Asked,
    asked: Asked,
    growth: Growth | None,
    answers: Path,
) -> int:
    """Ask a model, one that was started for this run or another, and print and keep what came of it."""
    task = TASKS[arguments.command]
    if running and running[0].plan.info is not None and running[0].plan.info.path is None:
        # No folder here tells what it is: its name in the engine's own store does.
        arguments.model, arguments.engine_model = "", arguments.engine_model or running[0].plan.served.name
    if running and arguments.adapter:
        arguments.engine_model = running[0].plan.asked[task]
    with ready(_subject(arguments)) as found:
        if not found.info.declares(task):
            _log.warning("%s does not declare that it was trained for %s boxes", found.info.name, task)
        manner, mode = found.manner(not arguments.no_reasoning), found.mode(arguments.mode)
        planned = plan(asked.questions, found.info, manner, found.pictures, found.identity)
        _say_wrong(planned)
        try:
            # A budget may end anywhere: then what was asked must be a random part, not what stands first in the files.
            order = shuffled(planned, arguments.seed) if arguments.budget else planned
            outcome = ask(order, found.asker, answers, Budget(**dict(arguments.budget)))
        except KeyboardInterrupt:
            _log.warning("what was answered is kept in %s: the same command goes on from there", answers)
            raise
    rules = Rules(found.speaker, mode, arguments.whole_pixels)
    rows = scored(planned, outcome, rules)
    if not rows:
        _log.error(
            "the budget is used up (%d requests, %d tokens), and no question has an answer: nothing is written; raise "
            "--budget and run again", outcome.requests, outcome.tokens,
        )  # fmt: skip
        return 1
    about = _about(arguments, whole_set, asked) | _with(found, manner, task, arguments) | {"mode": mode}
    about |= {"requests": outcome.requests, "tokens_spent": outcome.tokens}
    if only := part.words(outcome.unasked, len(planned), arguments.seed, outcome.drawn):
        about |= {"part": only, "warnings": [*about["warnings"], only]}
    evaluated = Evaluated(rows, about, arguments.at_least, outcome.unasked, growth)
    _print(evaluated, asked, arguments.all)
    print(f"\nasked in all: {outcome.requests:,} requests, {outcome.tokens:,} tokens ({answers})")
    if arguments.json:
        evaluated.write(arguments.json)
        print(f"\nthe result: {arguments.json}")
    if outcome.failed:
        why = next(iter(outcome.failed.values()))
        _log.warning("%d questions failed (%s); run again to ask them anew", len(outcome.failed), why)
    if outcome.unasked:
        _log.error(
            "the budget is used up (%d requests, %d tokens): %d questions were not asked, and the figures are of the "
            "others alone; raise --budget and run again to go on", outcome.requests, outcome.tokens, outcome.unasked,
        )  # fmt: skip
    nothing = all(row.outcome == "failed" for row in rows)
    if nothing:
        _log.error("every question failed: these figures say nothing of the model")
    return 1 if outcome.unasked or nothing else 0


def _warn_same(growth: Growth, files: list[Path]) -> None:
    for path in files:
        if path.is_file() and growing.digest(path)[:12] in growth.source:
            _log.warning(
                "--growth was measured on %s, which is evaluated: its baseline knows the truth; measure a training "
                "set, or leave --growth away", path,
            )  # fmt: skip


def _by_rule(arguments: argparse.Namespace, whole_set: Asked, asked: Asked, rule: str, growth: Growth | None) -> int:
    """Answer without a model, and print and keep that as a model's result."""
    own: Parser = arguments.own
    if idle := changed(own, arguments, _OF_MODELS):
        own.error(f"{idle} is about a model, and --without-model {rule} asks none; leave one of them away")
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    about = _about(arguments, whole_set, asked) | by_rule.about(rule, machine())
    evaluated = Evaluated(by_rule.answers(asked, rule, growth), about, arguments.at_least, growth=growth)
    _print(evaluated, asked, arguments.all)
    if arguments.json:
        evaluated.write(arguments.json)
        print(f"\nthe result: {arguments.json}")
    return 0


def _answers_file(arguments: argparse.Namespace) -> Path:
    own: Parser = arguments.own
    check_here(arguments.device)
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    own_engine.check(arguments)
    served = arguments.engine_url or arguments.engine
    if served and (idle := changed(own, arguments, ("device", "threads"))):
        _log.warning("%s does nothing: %s runs the model", idle, own_engine.runs(arguments))
    if not arguments.engine_url and (
        idle := changed(own, arguments, ("engine_model", "api_key_env", "key_in_clear", "wait"))
    ):
        own.error(f"{idle} is about a server, and there is none; name it with --engine-url, or leave that away")
    if arguments.adapter and arguments.engine != "vllm":
        own.error(
            "--adapter is for --engine vllm; at a server name it with --engine-model, and for others merge it into the "
            "model"
        )
    if arguments.answers or arguments.json:
        answers = Path(arguments.answers or arguments.json.with_suffix(ANSWERS))
        apart(own, arguments.json, "json", files_of(answers), "the answers")
        return answers
    own.error("nothing would be kept: name --json FILE for the result, or --answers FILE for the answers")


def _subject(arguments: argparse.Namespace) -> Subject:
    return Subject(
        model=arguments.model,
        engine_url=arguments.engine_url,
        engine_model=arguments.engine_model,
        adapter=arguments.adapter,
        family=arguments.family,
        device=arguments.device,
        threads=arguments.threads,
        batch=arguments.batch,
        max_pixels=arguments.max_pixels,
        key_in_clear=tuple(arguments.key_in_clear),
        api_key_env=arguments.api_key_env,
        wait=arguments.wait,
        inside=own_engine.within(arguments),
        precision=arguments.engine_precision,
    )


def _say_wrong(planned: list[Planned]) -> None:
    wrong = dict.fromkeys(one.wrong for one in planned if one.wrong)
    for words in list(wrong)[:3]:
        _log.warning("%s", words)
    if len(wrong) > 3:
        _log.warning("and %d more images", len(wrong) - 3)
    if wrong:
        count = sum(bool(one.wrong) for one in planned)
        _log.warning("%d questions cannot be asked for want of their images: they count as failed, and wrong", count)
    if wrong and count == len(planned):
        raise ValueError("no image can be read; is --images the right folder?")


def _about(arguments: argparse.Namespace, whole_set: Asked, asked: Asked) -> dict[str, Any]:
    return {
        "task": TASKS[arguments.command],
        "files": [path.name for path in arguments.files],
        "questions": len(asked.questions),
        "subset": None if len(asked.questions) == len(whole_set.questions)
        else f"{len(asked.questions)} of {len(whole_set.questions)} at random, seed {arguments.seed}",
        "rows_are": asked.rows_are,
        "left_out": dict(whole_set.left_out),
        "splits": sizes(asked.questions),
        "whole_pixels": arguments.whole_pixels,
        "warnings": _learnt(asked),
    }  # fmt: skip


def _learnt(asked: Asked) -> list[str]:
    return learnt.of_samples((q.sample.source, q.sample.split, q.sample.image) for q in asked.questions)


def _with(found: Ready, manner: Manner, task: Task, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        **found.about,
        # With {width} and {height} as they are: a picture's own size stands in each question.
        "prompt": found.info.prompts.get(task) or found.speaker.prompts[task],
        "reasoning": not arguments.no_reasoning,
        "max_tokens": manner.sampling.max_tokens,
        "temperature": manner.sampling.temperature,
    }


def _print(evaluated: Evaluated, asked: Asked, everything: bool) -> None:
    about = evaluated.about
    print(f"{' '.join(filter(None, (about['model'], about['version'])))}, {about['task']} boxes: {asked.rows_are}")
    if forbidden(about):
        print(FORBIDDEN)
    if about["subset"]:
        print(f"a part of the files: {about['subset']}")
    if about.get("part"):
        print(about["part"])
    for line in about["splits"]:
        print(line)
    pixels = about["max_pixels"] or "all"
    if about["prompt"]:
        print(f"prompt: {about['prompt']!r}; boxes: {about['frame']}, read by {about['mode']}; pixels: {pixels}")
    print(f"answered {about['asked']}, {about['machine']}\n")
    print(text(evaluated.summary, everything, about["asked"].startswith("in batches")))


def _names(arguments: argparse.Namespace) -> str:
    return ", ".join(map(str, arguments.files))
