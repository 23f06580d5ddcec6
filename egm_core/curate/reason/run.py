"""Reasoning for a file of samples: asked, judged, and written with its provenance, its failures and its rates."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.answers import Kept, taken
from egm_core.curate.reason.questions import Asking, Question, has_question, questions
from egm_core.curate.reason.rates import rates
from egm_core.sample import Sample, write_samples

# Whoever puts jobs to a teacher; every job comes back once, in any order.
Ask = Callable[[Iterable[Job]], Iterator[tuple[Job, Answer]]]


def reasoned(
    samples: Sequence[Sample],
    asking: Asking,
    ask: Ask,
    terms: str = "",
    only: Set[int] | None = None,
    others: Sequence[Sample] = (),
) -> tuple[list[Kept], list[Failure]]:
    """Ask for the reasoning of samples; gives those that passed, in their order, and what failed."""
    waiting: dict[str, list[Question]] = defaultdict(list)

    def jobs() -> Iterator[Job]:
        for question in questions(samples, asking, only, others):
            # The same question about the same picture is asked once.
            waiting[question.job.key].append(question)
            if len(waiting[question.job.key]) == 1:
                yield question.job

    came: dict[str, Answer] = {job.key: answer for job, answer in ask(jobs())}
    kept: list[Kept] = []
    failed: list[Failure] = []
    for key, asked in waiting.items():
        answer = came.get(key, Answer(key, error="no answer came"))
        for question in asked:
            outcome = taken(question, answer, terms)
            if isinstance(outcome, Kept):
                kept.append(outcome)
            else:
                failed.append(outcome)
    return sorted(kept, key=lambda one: one.number), failed


def reason(
    samples: Sequence[Sample],
    asking: Asking,
    ask: Ask,
    out: Path,
    terms: str = "",
    only: Set[int] | None = None,
    others: Sequence[Sample] = (),
    known: Sequence[Provenance] | None = None,
) -> dict[str, Any]:
    """Write samples with reasoning, and beside them provenance, failures and rates; gives the rates.

    `others` are further objects of these pictures, of which a trace may speak, and `known` tells where
    each sample came from.
    """
    kept, failed = reasoned(samples, asking, ask, terms, only, others)
    write_samples(out, (one.sample for one in kept))
    provenance.write(
        provenance.beside(out), (one.provenance.after(known[one.number]) if known else one.provenance for one in kept)
    )
    provenance.write(provenance.beside(out, "failures"), failed)
    found = rates(len(kept) + len(failed), failed)
    found["without_question"] = sum(not has_question(sample, asking.task) for sample in samples)
    found |= {"task": asking.task, "prompt": asking.prompt.label, "model": asking.model}
    out.with_name(f"{out.stem}.rates.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found
