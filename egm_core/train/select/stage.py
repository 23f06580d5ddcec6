"""Choose the samples of reinforcement learning by what a model gets right (paper, section 4.3).

    egm train select --config training/egm_tiny/select.yaml [key=value ...]

A learner, and a reference that is stronger, answer every question of a training set; `selection` has the rule.
The run's folder gets `samples.jsonl`, which `rl` reads, `choices.jsonl` (every question, its scores and
what became of it), `report.json`, `report.txt` and `histograms.png`; the scores lie in `learner/` and `reference/`.
Whenever it is stopped, the same command goes on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from egm_core.asking.asker import Asker, ask_all
from egm_core.asking.folder import FolderAsker
from egm_core.asking.served import Serving
from egm_core.asking.servers import ServerAsker
from egm_core.asking.store import StoreError
from egm_core.engines.base import EngineError
from egm_core.families import FAMILIES, TASKS, Task, family
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.reward import THRESHOLD
from egm_core.sample import Sample, SampleError, write_samples
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, check_data
from egm_core.train.data.special_tokens import special_tokens
from egm_core.train.run.folder import versions
from egm_core.train.select.config import TRUTH, SelectConfig
from egm_core.train.select.questions import Manner, Problem, Question, all_questions, common_folder, questions_of
from egm_core.train.select.report import draw, report_text, task_report
from egm_core.train.select.scores import Score, holds_scores, opened, read_scores, scores_of
from egm_core.train.select.selection import Easy, choose

_log = logging.getLogger("egm.train")
SCHEMES = ("http://", "https://")
SHOWN = 5


def select(config: SelectConfig) -> Path:
    """Run (or resume) a selection, print its report, and return the file of the chosen samples.

    Raises ConfigurationError for settings, data or images that can't be used, and where a model is gone; the
    scores until then are kept.
    """
    _check(config)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text(yaml.safe_dump({"stage": "select", **asdict(config)}, sort_keys=False))
    (output / "versions.json").write_text(json.dumps(versions(config.seed), indent=2))
    files = [Path(file) for file in config.data]
    try:
        return _select(config, output, files)
    except (SampleError, EngineError, StoreError) as error:
        raise ConfigurationError(str(error)) from error


def _select(config: SelectConfig, output: Path, files: list[Path]) -> Path:
    tasks = cast("list[Task]", [task for task in TASKS if task in config.tasks])
    found = check_data(output, checking(config))
    found.say()
    root = common_folder(files)
    questions = list(all_questions(found.samples, tasks, root))
    if not questions:
        raise ConfigurationError(f"there is no question of {' or '.join(tasks)} in {', '.join(config.data)}")
    asked = [q for q in questions if q.task == "visible" or config.amodal == "select"]
    left_out: list[Problem] = []
    learner = _scores(config, "learner", asked, output, left_out)
    if config.reference_on == "failures":
        asked = [q for q in asked if q.key in learner and learner[q.key].value < THRESHOLD]
    reference = None if config.reference == TRUTH else _scores(config, "reference", asked, output, left_out)
    choices: dict[str, str] = {}
    reports: dict[str, Any] = {}
    for task in tasks:
        ours = [q for q in questions if q.task == task]
        if task == "amodal" and config.amodal == "all":
            choices.update((q.key, "all") for q in ours)
            reports[task] = {"questions": len(ours), "absent": sum(q.truth is None for q in ours), "chosen": len(ours)}
        else:
            reports[task] = _choose(config, task, ours, learner, reference, choices)
    if not choices:
        raise ConfigurationError(
            "nothing was chosen: of what the learner fails, the reference solves nothing; see the scores in "
            f"{output}, and give a stronger reference or harder data"
        )
    _note(output, questions, choices, learner, reference)
    _note_left_out(output, found.left_out, left_out)
    report = {
        "learner": _named(config.learner),
        "reference": _named(config.reference),
        "easy": config.easy,
        "seed": config.seed,
        "left_out": {"records": len(found.left_out), "questions": len(left_out)},
        "tasks": reports,
    }
    chosen = write_samples(output / "samples.jsonl", _chosen(found.samples, root, tasks, choices))
    report["samples"] = chosen
    (output / "report.json").write_text(json.dumps(report, indent=1))
    (output / "report.txt").write_text(report_text(report) + "\n")
    draw(report, output / "histograms.png")
    print(report_text(report))
    return output / "samples.jsonl"


def _choose(
    config: SelectConfig,
    task: Task,
    questions: list[Question],
    learner: dict[str, Score],
    reference: dict[str, Score] | None,
    choices: dict[str, str],
) -> dict[str, Any]:
    """Choose among the questions of a task, note each choice by its key, and give the task's report."""
    known = [q for q in questions if q.key in learner]
    if reference is not None:
        known = [q for q in known if q.key in reference or config.reference_on == "failures"]
    # In the order of the keys, so that the draw depends on the questions and not on their order.
    known.sort(key=lambda q: q.key)
    absent = np.array([q.truth is None for q in known], bool)
    able = np.array([learner[q.key].value for q in known], float)
    stronger = np.ones(len(known))
    if reference is not None:
        stronger = np.array([reference[q.key].value if q.key in reference else np.nan for q in known], float)
    rng = np.random.default_rng([config.seed, TASKS.index(task)])
    selection = choose(able, stronger, absent, rng, cast(Easy, config.easy), config.absent == "all")
    choices.update((known[i].key, "learnable") for i in selection.learnable)
    choices.update((known[i].key, "easy") for i in selection.easy)
    choices.update((known[i].key, "absent") for i in selection.besides)
    return task_report(len(questions), absent, able, None if reference is None else stronger, selection)


def _scores(
    config: SelectConfig, role: str, questions: list[Question], output: Path, left_out: list[Problem]
) -> dict[str, Score]:
    """Give the scores of the learner or the reference: read them, or ask for what its store lacks."""
    source = getattr(config, role)
    if isinstance(source, str) and holds_scores(Path(source)):
        return read_scores(Path(source))
    if not questions:
        return {}
    asker, manner = _asker(config, role, source)
    about = asker.about
    if not about["weights"]:
        _log.warning(
            "the %s's servers don't say which weights %r has: when it is trained anew under the same name, delete %s "
            "or name another output",
            role,
            about["model"],
            output / role,
        )
    by_key = {question.key: question for question in questions}
    with opened(output / role, {**about, **manner.about}) as store:
        failed = ask_all(by_key, manner.job, asker, store, role, manner.kept)
        scores = scores_of(store.answers(), store.path)
    problems = [Problem(by_key[key], why) for key, why in failed.items()]
    left_out += problems
    if len(problems) > config.missing_share * len(questions):
        shown = "\n".join(f"  {p.question.image}, {p.question.sent!r}: {p.why}" for p in problems[:SHOWN])
        raise ConfigurationError(
            f"the {role} could not be asked {len(problems)} of {len(questions)} questions, more than missing_share "
            f"allows ({config.missing_share:g}):\n{shown}"
        )
    return scores


def _asker(config: SelectConfig, role: str, source: Any) -> tuple[Asker, Manner]:
    """Give who puts questions to a role's model, and how."""
    spoken: str = getattr(config, f"{role}_family")
    if isinstance(source, str) and not source.startswith(SCHEMES):
        info = _budgeted(load_info(resolve(source, offline=config.offline), family=spoken or None), config)
        assert info.path is not None
        manner = Manner(info, config.pixels, config.keep_answers)
        return FolderAsker(info.path, manner.picture, config.batch, config.processes, info.name), manner
    urls = (source,) if isinstance(source, str) else tuple(source)
    if not spoken:
        raise ConfigurationError(f"say in whose words the servers are asked: {role}_family: {' or '.join(FAMILIES)}")
    manner = Manner(_budgeted(ModelInfo(role, spoken, TASKS), config), config.pixels, config.keep_answers)
    serving = Serving(
        config.concurrency,
        config.timeout,
        config.patience,
        key_in_clear=tuple(config.key_in_clear),
        model=getattr(config, f"{role}_model"),
    )
    if not config.ray:
        return ServerAsker(urls, manner.picture, serving), manner
    from egm_core.asking.ray import RayAsker

    return RayAsker(urls, manner.picture, serving, config.ray, config.ray_actors), manner


def _budgeted(info: ModelInfo, config: SelectConfig) -> ModelInfo:
    return replace(
        info, max_pixels=config.max_pixels or info.max_pixels, max_tokens=config.max_tokens or info.max_tokens
    )


def _check(config: SelectConfig) -> None:
    if not config.data or not config.tasks:
        raise ConfigurationError("data and tasks must not be empty: name sample files (.jsonl, .parquet), and tasks")
    for role in ("learner", "reference"):
        source = getattr(config, role)
        addresses = isinstance(source, list) and bool(source)
        if addresses and all(isinstance(one, str) and one.startswith(SCHEMES) for one in source):
            continue
        if not isinstance(source, str) or not source.strip() or (source == TRUTH and role == "learner"):
            raise ConfigurationError(
                f"{role} is {source!r}; give a model folder, a list of servers (http://HOST:PORT), a folder of scores"
                + (", or truth" if role == "reference" else "")
            )


def checking(config: SelectConfig) -> Checking:
    """Say what the data of a selection are checked for: the tokens of all that are asked must not stand in texts."""
    families, tokens = [], frozenset[str]()
    for role in ("learner", "reference"):
        name, model = _speaks(config, role)
        if name:
            families.append(name)
            tokens |= special_tokens(name, model)
    speaker = family((families or [*FAMILIES])[0])
    files = tuple(Path(file) for file in config.data)
    return Checking(
        files, tuple(config.tasks), speaker, tokens, False, False, config.tolerate, config.missing_share, config.seed
    )


def _speaks(config: SelectConfig, role: str) -> tuple[str, Path | None]:
    """Give the family of a role's model, and its folder where that is here; nothing for scores and the truth."""
    source = getattr(config, role)
    if not isinstance(source, str):
        return str(getattr(config, f"{role}_family")), None
    if source == TRUTH or holds_scores(Path(source)):
        return "", None
    try:
        path = resolve(source)
    except FileNotFoundError:
        # It will be fetched, or named as missing, when it is asked.
        return "", None
    return load_info(path).family, path


def _chosen(samples: Iterable[Sample], root: Path, tasks: list[Task], choices: dict[str, str]) -> Iterator[Sample]:
    """Give the chosen questions as samples that stand for one task, in the data's order."""
    left = set(choices)
    for sample in samples:
        for question in questions_of(sample, tasks, root):
            if question.key in left:
                left.remove(question.key)
                yield replace(sample, task=question.task)


def _note(
    output: Path,
    questions: list[Question],
    choices: dict[str, str],
    learner: dict[str, Score],
    reference: dict[str, Score] | None,
) -> None:
    """Write what became of every question, for whoever wants to know."""
    with open(output / "choices.jsonl", "w", encoding="utf-8") as file:
        for q in questions:
            known, stronger = learner.get(q.key), (reference or {}).get(q.key)
            record = {
                "image": q.image,
                "sent": q.sent,
                "task": q.task,
                "absent": q.truth is None,
                "learner": None if known is None else known.value,
                "reference": None if stronger is None else stronger.value,
                "choice": choices.get(q.key, ""),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _note_left_out(output: Path, lost: Mapping[str, str], problems: list[Problem]) -> None:
    """Write what could not be asked, and why; no file where there is nothing."""
    lines = [{"place": place, "why": why} for place, why in lost.items()]
    lines += [{"image": p.question.image, "sent": p.question.sent, "why": p.why} for p in problems]
    file = output / "left_out.jsonl"
    file.unlink(missing_ok=True)
    if lines:
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _named(source: Any) -> str:
    return source if isinstance(source, str) else ", ".join(source)
