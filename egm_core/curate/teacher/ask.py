"""Asking a teacher: exactly once for each key of a ledger, whoever asked it before."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Store
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.estimate import estimate
from egm_core.curate.teacher import batch
from egm_core.curate.teacher.asker import OTHERS_ROUNDS, OTHERS_WAIT, BudgetSpent, TeacherAsker, others
from egm_core.curate.teacher.on_ray import ask_on_ray
from egm_core.curate.teacher.teacher import Teacher
from egm_core.curate.teacher.terms import warning

LEDGER = "answers.sqlite"
ABOUT = {"what": "answers of teachers"}
NOT_ASKED = "not asked: the budget is spent"
_log = logging.getLogger("egm.curate")


def ask(jobs: Iterable[Job], teacher: Teacher, ledger: Path, title: str = "asking") -> Iterator[tuple[Job, Answer]]:
    """Give each job with its answer, asking for what the ledger lacks; jobs of one key are one.

    Failures have an `error`. What failed in an earlier run is asked anew, and what a kill cut off. With `dry_run` or
    `batch_out` nothing is asked: the estimate is printed, or files are written, and the command ends. Raises
    EngineError where no server is left, and BudgetSpent where the budget ends, unless `partial`.
    """
    items = {job.key: job for job in jobs}
    with Store(ledger, ABOUT) as store:
        done = store.done()
        lacking = [job for key, job in items.items() if key not in done]
        if teacher.batch_in:
            batch.take_in(teacher.batch_in, {job.key: job for job in lacking}, store, teacher)
            done = store.done()
            lacking = [job for job in lacking if job.key not in done]
        if teacher.dry_run:
            print(estimate(lacking, teacher.model, teacher.price, title, len(items), ledger, store.money()[0]))
            sys.exit(0)
        if teacher.batch_out is not None:
            print(batch.write_out(lacking, teacher, store, teacher.batch_out))
            sys.exit(0)
        stopped = ""
        if lacking and not teacher.batch_in:
            if not teacher.urls:
                raise ValueError("there is nobody to ask: name a server with --teacher-url, or use --batch-out")
            if told := warning(teacher.model, teacher.told_terms):
                _log.warning("%s", told)
            stopped = _asked(lacking, teacher, store, title)
        known = {answer.key: answer for answer, _ in store.answers() if answer.key in items}
    missing = stopped or ("not in the batch files" if teacher.batch_in else "no answer came")
    for key, job in items.items():
        yield job, known.get(key) or Answer(key, error=missing)


def _asked(jobs: list[Job], teacher: Teacher, store: Store, title: str) -> str:
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
            if not teacher.partial:
                raise
            _log.warning("%s", error.detail)
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
