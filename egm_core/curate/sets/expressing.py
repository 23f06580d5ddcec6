"""Expressions for objects that have a mere name, and the verdict whether each fits its object and it alone.

Both are as in the paper: the teacher sees the plain picture and a copy with the box.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.pictures import asked, frame_colour, framed
from egm_core.curate.prompts import Expression, Malformed, Prompt, Verification, load, parsed
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.run import Ask
from egm_core.curate.rules import drawing, facts, leftovers, numbers, speech
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.text import prepared
from egm_core.engines.base import Sampling
from egm_core.sample import Sample, read_samples, write_samples

MOST_WORDS = 20
# Checks that a phrase must pass as reasoning must; the others are about the length and the course of a text.
CHECKS = (speech.check, leftovers.check, numbers.check, drawing.check)
SAID = 400


@dataclass(frozen=True)
class Manner:
    """Of whom is asked, how answers are drawn, and whose terms they come under."""

    model: str
    sampling: Sampling
    terms: str = ""


@dataclass(frozen=True)
class Asked:
    """A sample with its question: what it is held against, and the job."""

    number: int
    sample: Sample
    facts: Facts
    job: Job


Text = Callable[[Sample, Facts], str]
Took = Sample | tuple[str, str]
Take = Callable[[Asked, Answer], tuple[Sample, Provenance] | Failure]


def express(source: Path, out: Path, manner: Manner, ask: Ask, neighbours: Path | None = None) -> dict[str, Any]:
    """Write the samples of a file with expressions; two objects of a picture with one phrase both fail.

    `neighbours` is a sample file of the other objects on these pictures, which the phrase must not mean.
    """
    prompt = load("express")

    def text(sample: Sample, known: Facts) -> str:
        hidden = sample.visible_fraction is not None and sample.visible_fraction < 1
        return prompt.render(colour=known.frame_colour, category=sample.sent, hidden=hidden, others=known.others)

    def take(one: Asked, answer: Answer) -> tuple[Sample, Provenance] | Failure:
        try:
            said = parsed(_whole(answer), prompt.form)
        except Malformed as error:
            return _failure(one, answer, "expressed", str(error))
        assert isinstance(said, Expression)
        if why := _wrong_phrase(said.expression, one.facts):
            return _failure(one, answer, "expressed", why)
        about = {"object": said.object, "name": one.sample.sent}
        told = Provenance.of(answer, prompt, terms=manner.terms, answer=about, verdicts={"rules": []})
        return replace(one.sample, sent=said.expression), told

    samples = list(read_samples(source))
    kept, failed = _outcomes(_questions(samples, prompt, text, manner, neighbours), ask, take)
    meant = Counter((sample.picture, sample.sent.casefold()) for sample, _ in kept)
    alone = [(sample, told) for sample, told in kept if meant[sample.picture, sample.sent.casefold()] == 1]
    failed += [
        Failure(told.key, "expressed", "another object of the picture got the same phrase", sample.image, sample.sent)
        for sample, told in kept
        if meant[sample.picture, sample.sent.casefold()] > 1
    ]
    return _written(out, alone, failed)


def verify(source: Path, out: Path, manner: Manner, ask: Ask, neighbours: Path | None = None) -> dict[str, Any]:
    """Write the samples of a file whose expression is judged to be true of its object, and of it alone."""
    prompt = load("verify")
    samples = list(read_samples(source))
    beside = provenance.beside(source)
    before = list(provenance.read(beside)) if beside.is_file() else []

    def text(sample: Sample, known: Facts) -> str:
        return prompt.render(colour=known.frame_colour, amodal=False, expression=sample.sent)

    def take(one: Asked, answer: Answer) -> tuple[Sample, Provenance] | Failure:
        try:
            said = parsed(_whole(answer), prompt.form)
        except Malformed as error:
            return _failure(one, answer, "verified", str(error))
        assert isinstance(said, Verification)
        if not (said.accurate and said.unique):
            what = "not accurate" if not said.accurate else "not unique"
            return _failure(one, answer, f"verified:{what}", said.why)
        about: dict[str, Any] = {"why": said.why}
        if len(before) == len(samples):
            about["expressed"] = dataclasses.asdict(before[one.number])
        verdicts = {"accurate": said.accurate, "unique": said.unique}
        return one.sample, Provenance.of(answer, prompt, terms=manner.terms, answer=about, verdicts=verdicts)

    return _written(out, *_outcomes(_questions(samples, prompt, text, manner, neighbours), ask, take))


def _questions(
    samples: Sequence[Sample], prompt: Prompt, text: Text, manner: Manner, others: Path | None
) -> Iterator[Asked]:
    """Ask about each sample with its visible box drawn: that is what the words have to fit."""
    neighbours: dict[str, list[Sample]] = defaultdict(list)
    for sample in (*samples, *(read_samples(others) if others and others.is_file() else ())):
        neighbours[sample.picture].append(sample)
    for number, sample in enumerate(samples):
        box = sample.truth("visible")
        if box is None:
            raise ValueError(f"sample {number + 1} of {sample.image} has no visible box to show to a teacher")
        known = facts.of(sample, neighbours[sample.picture], "amodal")
        colour = frame_colour((known.expression, known.category, *known.occluders, *known.others))
        known = replace(known, frame_colour=colour)
        shown = [sample.picture, framed(sample.picture, box, colour)]
        yield Asked(number, sample, known, asked(prompt, text(sample, known), shown, manner.sampling, manner.model))


def _outcomes(
    questions: Iterator[Asked], ask: Ask, take: Take
) -> tuple[list[tuple[Sample, Provenance]], list[Failure]]:
    """Ask everything, each question once, and judge each answer; in the order of the samples."""
    waiting: dict[str, list[Asked]] = defaultdict(list)

    def jobs() -> Iterator[Job]:
        for one in questions:
            waiting[one.job.key].append(one)
            if len(waiting[one.job.key]) == 1:
                yield one.job

    came = {job.key: answer for job, answer in ask(jobs())}
    found = []
    for key, several in waiting.items():
        answer = came.get(key, Answer(key, error="no answer came"))
        for one in several:
            failed = _failure(one, answer, "answered", answer.error) if answer.error else None
            found.append((one.number, failed or take(one, answer)))
    found.sort(key=lambda pair: pair[0])
    kept = [outcome for _, outcome in found if not isinstance(outcome, Failure)]
    return kept, [outcome for _, outcome in found if isinstance(outcome, Failure)]


def _written(out: Path, kept: Sequence[tuple[Sample, Provenance]], failed: Sequence[Failure]) -> dict[str, Any]:
    write_samples(out, (sample for sample, _ in kept))
    provenance.write(provenance.beside(out), (told for _, told in kept))
    provenance.write(provenance.beside(out, "failures"), failed)
    return {"failed_at": dict(Counter(failure.step for failure in failed))}


def _whole(answer: Answer) -> str:
    if answer.finish not in ("", "stop"):
        raise Malformed(f"the answer ended with {answer.finish!r}, not by itself")
    return answer.text


def _wrong_phrase(phrase: str, known: Facts) -> str:
    """Say why a phrase is none to train on; empty where it is one."""
    if len(phrase.split()) > MOST_WORDS:
        return f"it has more than {MOST_WORDS} words"
    # The name that the data set has may hold any word; nothing else excuses one.
    text = prepared(phrase, replace(known, expression=known.category))
    findings = [finding for check in CHECKS for finding in check(text, known)]
    return "; ".join(f"{finding.rule}: {finding.words!r} {finding.why}" for finding in findings)


def _failure(one: Asked, answer: Answer, step: str, why: str) -> Failure:
    return Failure(answer.key, step, why, one.sample.image, one.sample.sent, one.facts.task, answer.text[:SAID])
