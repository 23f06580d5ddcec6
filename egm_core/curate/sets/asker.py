"""Putting a step's jobs to a teacher's server, each once: answers are kept in a ledger beside the set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from egm_core.asking.asker import Asker, ask_all
from egm_core.asking.job import Answer, Job
from egm_core.asking.store import Store

LEDGER = "answers.sqlite"


def ask_once(jobs: Iterable[Job], asker: Asker, ledger: Path, title: str) -> Iterator[tuple[Job, Answer]]:
    """Ask for what a ledger lacks of some jobs, and give each job with its answer; what failed is asked anew."""
    items = {job.key: job for job in jobs}
    with Store(ledger, {"what": "answers of a teacher", **asker.about}) as store:
        failed = ask_all(items, lambda job: job, asker, store, title)
        known = {answer.key: answer for answer, _ in store.answers() if answer.key in items}
    for key, job in items.items():
        yield job, Answer(key, error=failed[key]) if key in failed else known[key]
