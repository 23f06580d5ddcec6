"""Asking a teacher: exactly once for each key of a ledger, whoever asked it before."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Store
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.tally import TalliedStore, Tally
from egm_core.curate.teacher import batch
from egm_core.curate.teacher.asker import OTHERS_ROUNDS, OTHERS_WAIT, BudgetSpent, TeacherAsker, others
from egm_core.curate.teacher.named import models_of, strangers
from egm_core.curate.teacher.on_ray import ask_on_ray
from egm_core.curate.teacher.teacher import Teacher
from egm_core.curate.teacher.terms import warning
from egm_core.curate.teacher.usable import unusable

LEDGER = "answers.sqlite"
ABOUT = {"what": "answers of teachers"}
NOT_ASKED = "not asked: the budget is spent"
_log = logging.getLogger("egm.curate")


class NothingCame(ValueError):
    """None of some questions was ever asked, and the batch files that were given hold nothing of them."""

    def __init__(self, title: str, count: int) -> None:
        super().__init__(
            f"{title}: none of its {count:,} questions is in the batch files, and none was asked before; write them "
            "with --batch-out FOLDER"
        )


def ask(
    jobs: Iterable[Job], teacher: Teacher, ledger: Path, title: str = "asking", tally: Tally | None = None
) -> Iterator[tuple[Job, Answer]]:  # fmt: skip
    """Give each job with its answer, asking for what the ledger lacks; jobs of one key are one.

    Failures have an `error`. What failed in an earlier run is asked anew, and what a kill cut off; an answer that was
    made and is no good is not, for it was paid. With `batch_out` nothing is asked: where something is lacking, files
    are written and the command ends. Raises EngineError where no server is left, BudgetSpent where the budget ends,
    unless `partial`, and NothingCame where batch files hold nothing of these questions, and nobody has asked them.
    What is asked and spent is added to `tally`.
    """
    items = {job.key: job for job in jobs}
    counted = tally or Tally()
    with TalliedStore(ledger, ABOUT, counted) as store:
        lacking = _lacking(items, store)
        if teacher.batch_in:
            batch.take_in(teacher.batch_in, {job.key: job for job in lacking}, store, teacher)
            lacking = _lacking(items, store)
        if teacher.batch_out is not None:
            if lacking:
                _tell_terms(teacher, counted)
            _write_out(lacking, teacher, store, title)
        elif teacher.batch_in and items and items.keys().isdisjoint(store.done(failed=True)):
            raise NothingCame(title, len(items))
        stopped = ""
        if lacking and not teacher.by_batch:
            if not (teacher.urls or teacher.inside):
                raise ValueError("there is nobody to ask: name a server with --teacher-url, or use --batch-out")
            _tell_terms(teacher, counted)
            stopped = _asked(lacking, teacher, store, title)
        known = {answer.key: answer for answer, _ in store.answers() if answer.key in items}
    _tell(known, len(items), teacher)
    missing = stopped or ("not in the batch files" if teacher.by_batch else "no answer came")
    for key, job in items.items():
        yield job, known.get(key) or Answer(key, error=missing)


def _tell_terms(teacher: Teacher, tally: Tally) -> None:
    """Say what is known of a teacher's terms before it is asked, once in a run."""
    told = warning(teacher.model, teacher.told_terms)
    if told and told not in tally.said:
        tally.said.add(told)
        _log.warning("%s", told)


def settled(store: Store) -> set[str]:
    """Give the keys that are not asked again: those with an answer, and those whose answer was made and is no good."""
    return store.done() | {key for key, error in store.errors().items() if unusable(error)}


def _lacking(items: Mapping[str, Job], store: Store) -> list[Job]:
    done = settled(store)
    return [job for key, job in items.items() if key not in done]


def _write_out(lacking: list[Job], teacher: Teacher, store: TalliedStore, title: str) -> None:
    """Write what is lacking as batch files, and end; what has failed before is left with `partial`."""
    assert teacher.batch_out is not None
    failed = store.errors().keys()
    rest = [job for job in lacking if job.key not in failed] if teacher.partial else lacking
    if not rest:
        left = f"; {len(lacking):,} that failed stay failures" if lacking else ""
        print(f"{title}: every question has its answer in the ledger, and nothing is to be written{left}")
        return
    print(batch.write_out(rest, teacher, store, teacher.batch_out))
    if teacher.partial and not teacher.batch_out.is_dir():
        # Nothing of it could be written, so there is nothing to wait for.
        return
    if again := sum(job.key in failed for job in rest):
        print(f"{again:,} of them have failed before; --partial goes on without these")
    sys.exit(0)


def _tell(known: Mapping[str, Answer], count: int, teacher: Teacher) -> None:
    """Say what of the answers a user would not see in what is kept: another model's, and failures."""
    others = strangers(teacher.model, models_of(known.values()))
    if others:
        told = ", ".join(f"{model} ({number:,})" for model, number in others.items())
        _log.warning(
            "%s was asked, and %d of %d answers name another model: %s; the rates and the provenance name them",
            teacher.model, sum(others.values()), count, told,
        )  # fmt: skip
    failed = [answer.error for answer in known.values() if answer.error]
    if failed:
        _log.warning("%d of %d questions have no answer that can be used, such as: %s", len(failed), count, failed[0])


def _asked(jobs: list[Job], teacher: Teacher, store: TalliedStore, title: str) -> str:
    """Ask; gives why some were not asked, where that is no error."""
    budget = Budget(teacher.price, teacher.limit)
    with tqdm(total=len(jobs), desc=title, unit=" answers", disable=None) as bar:

        def emit(answer: Answer) -> None:
            bar.update()
            if teacher.price is not None:
                bar.set_postfix_str(f"${budget.taken(store):,.2f}", refresh=False)

        if teacher.ray:
            ask_on_ray(jobs, teacher, store, budget, emit)
            return ""
        try:
            asyncio.run(TeacherAsker(teacher, store, budget, emit).run(iter(jobs)))
        except BudgetSpent as error:
            left = len(_lacking({job.key: job for job in jobs}, store))
            told = f"{title}: {error.detail}; {left:,} of {len(jobs):,} questions of this step are left"
            if not teacher.partial:
                raise BudgetSpent(told) from error
            _log.warning("%s", told)
            return NOT_ASKED
    rounds = 0
    while rest := others(store, {job.key for job in jobs}):
        # Another process asks them; what it leaves when it dies is asked here.
        time.sleep(OTHERS_WAIT)
        store.sweep()
        asyncio.run(TeacherAsker(teacher, store, budget, emit).run(job for job in jobs if job.key in rest))
        rounds += 1
        if rounds % OTHERS_ROUNDS == 1:
            _log.info("%d questions are being asked by another process; waiting for its answers", len(rest))
    return ""
