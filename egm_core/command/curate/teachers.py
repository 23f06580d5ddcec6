"""The steps of a set that ask a teacher, as a command line names it."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from egm_core.command.curate import judge, second
from egm_core.command.curate.desk import NOT_ASKED, Desk
from egm_core.console import FAILED
from egm_core.curate import provenance
from egm_core.curate.prompts import load
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import reason
from egm_core.curate.sets.amodal_train import NEIGHBOURS, OBJECTS, empty
from egm_core.curate.sets.expressing import Manner, express
from egm_core.curate.sets.steps import Chain
from egm_core.curate.sets.workers import Worker, Workers, steps
from egm_core.curate.teacher import LEDGER, Teacher, arguments
from egm_core.curate.teacher.ask import NothingCame
from egm_core.curate.verify.run import verified
from egm_core.sample import Sample, read_samples, write_samples

_log = logging.getLogger("egm.curate")
# Titles of progress, by the prompt that is asked.
TITLES = {"express": "expressing", "reason_amodal": "reasoning"}


def desk(options: argparse.Namespace) -> Desk:
    """Give what puts the questions of all steps, by the set's own ledger unless another is named."""
    named: Path | None = options.ledger
    return Desk(named or Path(options.out) / LEDGER, options.dry_run)


def workers(options: argparse.Namespace, asks: bool, where: Desk) -> Workers:
    """Give the steps that ask; without `asks` no teacher is needed, and none is looked for."""
    teacher = arguments.teacher(options) if asks else Teacher(name="nobody")
    other = second.second(options, teacher) if asks else teacher
    judging = judge.teacher(options, teacher) if asks and judge.offered(options) else None
    return _workers(options, teacher, other, judging, where)


def run(made: Chain, options: argparse.Namespace, where: Desk) -> bool:
    """Run the steps, and say what they cost also where they end before; tells whether all were made.

    Batch files hold the answers of one step: where the next one's are still to be asked, that is no failure.
    """
    before = dict(made.record)
    try:
        made.run(options.step)
    except NothingCame as error:
        if not any(one != before.get(name) for name, one in made.record.items()):
            raise
        print(error)
        return False
    finally:
        if options.step != OBJECTS:
            print(where.spent())
    if options.batch_in and before == made.record:
        _log.warning("nothing of the files of --batch-in was read: every step has its answers")
    return True


def status(made: Chain, whole: bool) -> int:
    """Give a command's exit status: a step that lets nothing pass is a failure, which its files explain."""
    nothing = empty(made) if whole else ""
    if nothing:
        _log.error("no sample passed the step %s; %s says why", nothing, made.folder / f"{nothing}.failures.jsonl")
    return FAILED if nothing else 0


def expected(options: argparse.Namespace, objects: Path, reasoned: bool) -> str:
    """Say what all steps will still cost at most; nothing is asked.

    What the ledger knows is followed from step to step. What it does not know counts as if every object passed.
    """
    where = desk(options)
    made = workers(options, True, where)
    with TemporaryDirectory() as folder:
        source = objects
        for step in steps(made, reasoned):
            out = Path(folder) / step.file
            step.work(source, out)
            following = Path(folder) / f"after_{step.file}"
            write_samples(following, [*read_samples(out), *_not_asked(source, out)])
            source = following
    return where.expected("all steps, if every object passes each")


def _not_asked(source: Path, out: Path) -> Iterator[Sample]:
    """Give the samples that a dry run's step has no answer for yet."""
    failures = provenance.beside(out, "failures").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in failures]
    left = Counter((one["image"], one["sent"]) for one in told if one["why"] == NOT_ASKED)
    passed = Counter(map(_object, read_samples(out)))
    for sample in read_samples(source):
        if passed[_object(sample)]:
            passed[_object(sample)] -= 1
        elif left[sample.image, sample.sent]:
            left[sample.image, sample.sent] -= 1
            yield sample


def _object(sample: Sample) -> Any:
    return sample.image, sample.annotation_id, sample.bbox, sample.amodal_bbox


def _workers(
    options: argparse.Namespace, teacher: Teacher, other: Teacher, judging: Teacher | None, where: Desk
) -> Workers:
    manner = Manner(teacher.model, teacher.sampling, teacher.terms, retries=teacher.retries)
    put = where.put

    def others() -> list[Sample]:
        # Objects that lost their expression on the way are in the pictures still.
        files = [Path(options.out) / name for name in (f"{OBJECTS}.jsonl", NEIGHBOURS)]
        return [sample for file in files if file.is_file() for sample in read_samples(file)]

    def expressing(source: Path, out: Path) -> Mapping[str, Any]:
        return express(source, out, manner, put(teacher, TITLES["express"]), others())

    def verifying(source: Path, out: Path) -> Mapping[str, Any]:
        fits, hits = second.fits(options, teacher, put), second.hit(options, other, put)
        return {"verification": verified(source, out, fits, hits, others())}

    def reasoning(source: Path, out: Path) -> Mapping[str, Any]:
        made = Asking("amodal", manner.model, manner.sampling, retries=teacher.retries)
        asked = put(teacher, TITLES["reason_amodal"])
        samples = list(read_samples(source))
        known = provenance.of_records(source, len(samples))
        second_line = judge.judge(judging, where, options.strict_rules) if judging else None
        return {
            "rates": reason(samples, made, asked, out, manner.terms, None, others(), known=known, judge=second_line)
        }

    def about(prompt: str) -> dict[str, Any]:
        return {"prompt": load(prompt).label, **teacher.about()}

    verification = {**about("verify"), "kind": options.kind}
    if options.kind != "fits":
        verification["second"] = other.about() | {"family": options.family, "max_tokens": options.second_max_tokens}
    reasons = about("reason_amodal")
    if judging:
        reasons["judge"] = {"prompt": load("judge").label, **judging.about(), "strict_rules": options.strict_rules}
    return Workers(
        Worker(expressing, about("express")),
        Worker(verifying, verification),
        Worker(reasoning, reasons),
    )
