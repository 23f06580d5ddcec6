"""Reasoning for a file of samples: asked, judged, and written with its provenance, its failures and its rates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.again import Ask, by_form, put
from egm_core.curate.reason.answers import Kept, taken
from egm_core.curate.reason.judging import Judge, foresee, judged
from egm_core.curate.reason.questions import Asking, Question, has_question, questions
from egm_core.curate.reason.rates import rates
from egm_core.sample import Sample, write_samples


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

    # Rules take longer than anything else here, so each answer is judged once.
    known: dict[str, tuple[Answer, list[Kept | Failure]]] = {}

    def outcomes(key: str, answer: Answer) -> list[Kept | Failure]:
        if key not in known or known[key][0] is not answer:
            known[key] = answer, [taken(question, answer, terms) for question in waiting[key]]
        return known[key][1]

    def wrong(key: str, answer: Answer) -> bool:
        return all(isinstance(one, Failure) and by_form(one) for one in outcomes(key, answer))

    came = put(jobs(), ask, wrong, asking.retries)
    found = [one for key in waiting for one in outcomes(key, came.get(key) or Answer(key, error="no answer came"))]
    kept = [one for one in found if isinstance(one, Kept)]
    return sorted(kept, key=lambda one: one.number), [one for one in found if isinstance(one, Failure)]


def reason(
    samples: Sequence[Sample],
    asking: Asking,
    ask: Ask,
    out: Path,
    terms: str = "",
    only: Set[int] | None = None,
    others: Sequence[Sample] = (),
    known: Sequence[Provenance] | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Write samples with reasoning, and beside them provenance, failures and rates; gives the rates.

    `others` are further objects of these pictures, of which a trace may speak, and `known` tells where
    each sample came from. What passed the rules goes to a `judge`, where there is one; samples of which it says nothing
    that can be read are kept apart.
    """
    kept, failed = reasoned(samples, asking, ask, terms, only, others)
    by_rules, verdicts = failed, None
    if judge is not None:
        if judge.dry:
            lacking = {(one.image, one.sent) for one in failed if one.step in provenance.NO_ANSWER}
            answered = {one.number for one in kept}
            foresee(
                (
                    question
                    for question in questions(samples, asking, only, others)
                    if question.number not in answered and (question.sample.image, question.sample.sent) in lacking
                ),
                judge,
            )
        verdicts = judged(kept, judge)
        kept, failed = verdicts.kept, [*failed, *verdicts.failed]
    write_samples(out, (one.sample for one in kept))
    provenance.write(
        provenance.beside(out), (one.provenance.after(known[one.number]) if known else one.provenance for one in kept)
    )
    provenance.write(provenance.beside(out, "failures"), failed)
    unjudged = out.with_name(f"{out.stem}.unjudged.jsonl")
    if verdicts is not None:
        write_samples(unjudged, verdicts.unjudged)
    else:
        # One that an earlier run with a judge has left would be taken for this one's.
        unjudged.unlink(missing_ok=True)
    found = rates(len(kept) + len(failed), by_rules, verdicts)
    if judge is not None:
        found["judge"] |= {"model": judge.model, "terms": judge.terms, "prompt": judge.prompt.label}
    found["without_question"] = sum(not has_question(sample, asking.task) for sample in samples)
    found |= {"task": asking.task, "prompt": asking.prompt.label, "model": asking.model}
    found["answered_by"] = dict(Counter(one.provenance.model for one in kept).most_common())
    provenance.write_rates(out, found)
    return found
