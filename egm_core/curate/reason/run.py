"""Reasoning for a file of samples: asked, judged, and written with its provenance, its failures and its rates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.again import Ask, put
from egm_core.curate.reason.answers import Kept
from egm_core.curate.reason.judging import Judge, Judged, Verdict, foresee
from egm_core.curate.reason.questions import Asking, Question, has_question, questions
from egm_core.curate.reason.rates import rates
from egm_core.curate.reason.weighing import Weighing
from egm_core.sample import Sample, write_samples
from egm_core.sample.whole import dropped, together


class Reasoned(NamedTuple):
    """The samples that passed, in their order, what failed before the judge, and what the judge made of the rest."""

    kept: list[Kept]
    failed: list[Failure]
    judged: Judged | None


def reasoned(
    samples: Sequence[Sample],
    asking: Asking,
    ask: Ask,
    terms: str = "",
    only: Set[int] | None = None,
    others: Sequence[Sample] = (),
    judge: Judge | None = None,
) -> Reasoned:
    """Ask for the reasoning of samples, and have a `judge` read it where there is one."""
    waiting: dict[str, list[Question]] = defaultdict(list)

    def jobs() -> Iterator[Job]:
        for question in questions(samples, asking, only, others):
            # The same question about the same picture is asked once.
            waiting[question.job.key].append(question)
            if len(waiting[question.job.key]) == 1:
                yield question.job

    weighing = Weighing(waiting, terms, judge)
    came = put(jobs(), ask, weighing.wrong, asking.retries)
    whole = weighing.outcomes({key: came.get(key) or Answer(key, error="no answer came") for key in waiting})
    found = [one for outcomes in whole.values() for one in outcomes]
    failed = [one for one in found if isinstance(one, Failure)]
    if judge is None:
        kept = [one for one in found if isinstance(one, Kept)]
        return Reasoned(sorted(kept, key=_number), failed, None)
    verdicts = [one for one in found if isinstance(one, Verdict)]
    judged = Judged(tuple(sorted(verdicts, key=lambda one: one.text.number)))
    return Reasoned(judged.kept, failed, judged)


def _number(one: Kept) -> int:
    return one.number


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

    All of these files are put in place together at the end: what fails, or is killed before, leaves those of before.
    `others` are further objects of these pictures, of which a trace may speak, and `known` tells where
    each sample came from. What no rule rejected goes to a `judge`, where there is one; samples of which it says nothing
    that can be read are kept apart.
    """
    kept, by_rules, verdicts = reasoned(samples, asking, ask, terms, only, others, judge)
    failed = [*by_rules, *(verdicts.failed if verdicts else ())]
    if judge is not None and judge.dry:
        lacking = {(one.image, one.sent) for one in by_rules if one.step in provenance.NO_ANSWER}
        answered = {one.text.number for one in verdicts.verdicts} if verdicts else set()
        foresee(
            (
                question
                for question in questions(samples, asking, only, others)
                if question.number not in answered and (question.sample.image, question.sample.sent) in lacking
            ),
            judge,
        )
    found = rates(len(kept) + len(failed), by_rules, verdicts)
    if judge is not None:
        found["judge"] |= {"model": judge.model, "terms": judge.terms, "prompt": judge.prompt.label}
        found["judge"]["strict_rules"] = judge.strict
    found["without_question"] = sum(not has_question(sample, asking.task) for sample in samples)
    found |= {"task": asking.task, "prompt": asking.prompt.label, "model": asking.model}
    found["answered_by"] = dict(Counter(one.provenance.model for one in kept).most_common())
    unjudged = out.with_name(f"{out.stem}.unjudged.jsonl")
    with together():
        write_samples(out, (one.sample for one in kept))
        origins = (one.provenance.after(known[one.number]) if known else one.provenance for one in kept)
        provenance.write(provenance.beside(out), origins)
        provenance.write(provenance.beside(out, "failures"), failed)
        if verdicts is not None:
            write_samples(unjudged, verdicts.unjudged)
        else:
            # One that an earlier run with a judge has left would be taken for this one's.
            dropped(unjudged)
        provenance.write_rates(out, found)
    return found
