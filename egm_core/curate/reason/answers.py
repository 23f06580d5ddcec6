"""What becomes of a teacher's answer: a text for training, or a failure that says at which step and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from egm_core.asking.job import Answer
from egm_core.curate.prompts import AmodalReasoning, Malformed, Reasoning, parsed
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.questions import Question
from egm_core.curate.rules.answer import contradictions
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.judge import judge, suspects
from egm_core.curate.teacher.usable import unusable
from egm_core.sample import Sample

# The steps that an answer passes, in this order.
STEPS = ("answered", "whole", "formed", "clean")
SAID = 400


@dataclass(frozen=True)
class Kept:
    """A sample with its text, where that comes from, and what the rules suspect of it, for its judge to decide."""

    number: int
    sample: Sample
    provenance: Provenance
    facts: Facts
    suspected: tuple[Finding, ...] = ()


def taken(question: Question, answer: Answer, terms: str = "", to_judge: bool = False) -> Kept | Failure:
    """Check an answer step by step; gives the sample with its reasoning, or what failed.

    `to_judge`: a judge will read the text, so that suspicions are noted and do not stop it.
    """
    if answer.finish not in ("", "stop"):
        return _failure(question, answer, "whole", f"the answer ended with {answer.finish!r}, not by itself")
    if unusable(answer.error):
        return _failure(question, answer, "whole", answer.error)
    if answer.error:
        return _failure(question, answer, "answered", answer.error)
    try:
        said = parsed(answer.text, question.prompt.form)
    except Malformed as error:
        return _failure(question, answer, "formed", str(error))
    assert isinstance(said, Reasoning | AmodalReasoning)
    findings = (*judge(said.reasoning, question.facts), *contradictions(said, question.facts))
    suspected = tuple(finding for finding in findings if suspects(finding)) if to_judge else ()
    if decisive := [finding for finding in findings if finding not in suspected]:
        return _failure(question, answer, f"clean:{_chief(decisive).rule}", "; ".join(map(str, findings)))
    provenance = Provenance.of(
        answer,
        question.prompt,
        task=question.facts.task,
        terms=terms,
        answer={**said.model_dump(exclude={"reasoning"}), "frame_colour": question.facts.frame_colour},
        verdicts={"rules": []} | ({"suspected": list(map(str, suspected))} if suspected else {}),
    )
    if question.facts.task == "visible":
        sample = replace(question.sample, reasoning=said.reasoning)
    else:
        sample = replace(question.sample, amodal_reasoning=said.reasoning)
    return Kept(question.number, sample, provenance, question.facts, suspected)


def _failure(question: Question, answer: Answer, step: str, why: str) -> Failure:
    sample = question.sample
    said = answer.text[:SAID]
    return Failure(answer.key, step, why, sample.image, sample.sent, question.facts.task, said)


def _chief(findings: Sequence[Finding]) -> Finding:
    """Give the finding that a failure is counted under: a text in another language meets other rules by chance."""
    return next((one for one in findings if one.rule == "language"), findings[0])
