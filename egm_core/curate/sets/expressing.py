"""Expressions for objects that have a mere name, and the verdict whether each fits its object and it alone.

Both are as in the paper: the teacher sees the plain picture and a copy with the box.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.pictures import asked, frame_colour, framed
from egm_core.curate.prompts import Expression, Malformed, Prompt, Verification, load, parsed
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.again import Ask, by_form, put
from egm_core.curate.rules import drawing, facts, leftovers, numbers, speech
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.text import prepared
from egm_core.curate.teacher.usable import unusable
from egm_core.engines.base import Sampling
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.sample.whole import together

MOST_WORDS = 20
# Checks that a phrase must pass as reasoning must; the others are about the length and the course of a text.
CHECKS = (speech.check, leftovers.check, numbers.check, drawing.check)
SAID = 400


@dataclass(frozen=True)
class Manner:
    """Of whom is asked, how answers are drawn, whose terms they come under, and how many each object gets.

    `retries` is how often an answer that fails by its form is asked for anew.
    """

    model: str
    sampling: Sampling
    terms: str = ""
    several: int = 1
    retries: int = 0


@dataclass(frozen=True)
class Asked:
    """A sample with its question: what it is held against, and the job."""

    number: int
    sample: Sample
    facts: Facts
    job: Job


Text = Callable[[Sample, Facts], str]
Take = Callable[[Asked, Answer], tuple[Sample, Provenance] | Failure]


def express(source: Path, out: Path, manner: Manner, ask: Ask, others: Sequence[Sample] = ()) -> dict[str, Any]:
    """Write the samples of a file with expressions; two objects of a picture with one phrase both fail.

    With `several` an object is asked about so often, by other seeds, and of equal phrases one is kept.

    `others` are further objects of these pictures, which the phrase must not mean.
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
    found = _each(_questions(samples, prompt, text, manner, others), ask, take, manner.retries)
    outcomes = [outcome for number in sorted(found) for outcome in found[number]]
    kept = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    meant: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for sample, _ in kept:
        meant[_phrase(sample)].add(_object(sample))
    alone: dict[Any, tuple[Sample, Provenance]] = {}
    for sample, told in kept:
        mine = (*_phrase(sample), _object(sample))
        same = len(meant[_phrase(sample)]) > 1
        if same or mine in alone:
            why = "another object of the picture got the same phrase" if same else "the object has this phrase already"
            step = "expressed:shared" if same else "expressed:duplicate"
            failed.append(Failure(told.key, step, why, sample.image, sample.sent))
        else:
            alone[mine] = sample, told
    return _written(out, list(alone.values()), failed, len(outcomes))


def fitting(
    samples: Sequence[Sample], manner: Manner, ask: Ask, others: Sequence[Sample] = ()
) -> list[Provenance | Failure]:
    """Have a model that sees the box judge each sample's expression: where it comes from, or why it does not pass."""
    prompt = load("verify")

    def text(sample: Sample, known: Facts) -> str:
        return prompt.render(colour=known.frame_colour, amodal=sample.bbox is None, expression=sample.sent)

    def take(one: Asked, answer: Answer) -> tuple[Sample, Provenance] | Failure:
        try:
            said = parsed(_whole(answer), prompt.form)
        except Malformed as error:
            return _failure(one, answer, "verified", str(error))
        assert isinstance(said, Verification)
        if not (said.accurate and said.unique):
            what = "not accurate" if not said.accurate else "not unique"
            return _failure(one, answer, f"verified:{what}", said.why)
        verdicts = {"accurate": said.accurate, "unique": said.unique}
        told = Provenance.of(answer, prompt, terms=manner.terms, answer={"why": said.why}, verdicts=verdicts)
        return one.sample, told

    found = _each(_questions(samples, prompt, text, manner, others), ask, take, manner.retries)
    absent = "the object is absent, so there is nothing to verify"
    return [
        Failure("", "verified:absent", absent, sample.image, sample.sent)
        if number not in found
        else outcome
        if isinstance(outcome := found[number][0], Failure)
        else outcome[1]
        for number, sample in enumerate(samples)
    ]


def _phrase(sample: Sample) -> tuple[str, str]:
    return sample.picture, " ".join(sample.sent.casefold().split())


def _object(sample: Sample) -> Any:
    # Records of one object may have numbers of their own, as those of several expressions have: the boxes tell.
    return sample.bbox, sample.amodal_bbox


def _questions(
    samples: Sequence[Sample], prompt: Prompt, text: Text, manner: Manner, others: Sequence[Sample]
) -> Iterator[Asked]:
    """Ask about each sample with its visible box drawn, that is what the words have to fit; a hidden one's whole box.

    Absent objects have no box, and no question.
    """
    neighbours: dict[str, list[Sample]] = defaultdict(list)
    for sample in (*samples, *others):
        neighbours[sample.picture].append(sample)
    for number, sample in enumerate(samples):
        box = sample.truth("visible") or sample.truth("amodal")
        if box is None:
            continue
        known = facts.of(sample, neighbours[sample.picture], "amodal")
        colour = frame_colour((known.expression, known.category, *known.occluders, *known.others))
        known = replace(known, frame_colour=colour)
        shown = [sample.picture, framed(sample.picture, box, colour, (sample.width, sample.height))]
        for turn in range(manner.several):
            drawn = manner.sampling if manner.several == 1 else replace(manner.sampling, seed=_seed(manner, turn))
            yield Asked(number, sample, known, asked(prompt, text(sample, known), shown, drawn, manner.model))


def _seed(manner: Manner, turn: int) -> int:
    return (manner.sampling.seed or 0) + turn


def _each(
    questions: Iterator[Asked], ask: Ask, take: Take, retries: int
) -> dict[int, list[tuple[Sample, Provenance] | Failure]]:
    """Ask everything, each question once, and judge each answer; by the numbers of the samples."""
    waiting: dict[str, list[Asked]] = defaultdict(list)

    def jobs() -> Iterator[Job]:
        for one in questions:
            waiting[one.job.key].append(one)
            if len(waiting[one.job.key]) == 1:
                yield one.job

    def taken(one: Asked, answer: Answer) -> tuple[Sample, Provenance] | Failure:
        lost = answer.error and not unusable(answer.error)
        return _failure(one, answer, "answered", answer.error) if lost else take(one, answer)

    def wrong(came: Mapping[str, Answer]) -> set[str]:
        return {key for key, answer in came.items() if all(_broken(taken(one, answer)) for one in waiting[key])}

    came = put(jobs(), ask, wrong, retries)
    found: dict[int, list[tuple[Sample, Provenance] | Failure]] = defaultdict(list)
    for key, several in waiting.items():
        for one in several:
            found[one.number].append(taken(one, came.get(key) or Answer(key, error="no answer came")))
    return found


def _broken(outcome: tuple[Sample, Provenance] | Failure) -> bool:
    return isinstance(outcome, Failure) and by_form(outcome)


def _written(
    out: Path, kept: Sequence[tuple[Sample, Provenance]], failed: Sequence[Failure], questions: int
) -> dict[str, Any]:
    found = {"failed_at": dict(Counter(failure.step for failure in failed))}
    models = dict(Counter(told.model for _, told in kept).most_common())
    with together():
        write_samples(out, (sample for sample, _ in kept))
        provenance.write(provenance.beside(out), (told for _, told in kept))
        provenance.write(provenance.beside(out, "failures"), failed)
        provenance.write_rates(out, {"questions": questions, "kept": len(kept), **found, "answered_by": models})
    return found


def _whole(answer: Answer) -> str:
    if answer.error:
        raise Malformed(answer.error)
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
