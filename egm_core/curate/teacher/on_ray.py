"""Asking a teacher on Ray Data: many endpoints of a cluster, without a bound in dollars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from egm_core.asking.job import Answer, Job
from egm_core.asking.ray import RayAsker
from egm_core.asking.store import Store
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.tokens import Tokens, tokens_of
from egm_core.curate.teacher.forms import portable
from egm_core.curate.teacher.teacher import Teacher
from egm_core.curate.teacher.usable import checked


def ask_on_ray(
    jobs: Sequence[Job], teacher: Teacher, store: Store, budget: Budget, emit: Callable[[Answer], None]
) -> None:
    """Put jobs to servers from Ray's actors. ValueError with a budget: actors send again without asking the ledger."""
    if teacher.limit is not None:
        raise ValueError("a budget holds in one process alone: leave --ray away, or say --no-budget")
    tokens: dict[str, Tokens] = {}

    def claimed() -> Iterator[Job]:
        for job in jobs:
            if store.claim(job.key):
                tokens[job.key] = tokens_of(job, teacher.model) if teacher.price else Tokens(0, 0, 0)
                yield replace(job, schema=portable(job.schema))

    def keep(answer: Answer) -> None:
        answer = checked(answer)
        budget.settle(store, answer, tokens[answer.key], free=bool(answer.error and not answer.usage))
        emit(answer)

    RayAsker(teacher.urls, teacher.read, teacher.asked, address=teacher.ray).ask(claimed(), keep)
