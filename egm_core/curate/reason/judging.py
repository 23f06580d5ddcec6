"""A model as a judge of texts that no rule has rejected: it reads the words alone, and never sees the picture.

What the rules merely suspect is for the judge to decide, unless it is told to be `strict`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from egm_core.asking.job import Answer, Job
from egm_core.curate.pictures import asked
from egm_core.curate.prompts import Judgement, Malformed, Prompt, load, parsed
from egm_core.curate.provenance import NO_VERDICT, Failure
from egm_core.curate.reason.again import Ask, put
from egm_core.curate.reason.answers import SAID, Kept
from egm_core.curate.reason.questions import Question
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.length import MOST_WORDS
from egm_core.curate.teacher.ask import NothingCame
from egm_core.curate.teacher.usable import unusable
from egm_core.engines.base import Sampling
from egm_core.sample import Sample

# Stands in a failure's reason before what the rules had suspected.
SUSPECTED = "the rules suspected"
# A long text, as one is counted that nobody has written yet.
_FORESEEN = "letters " * MOST_WORDS


@dataclass(frozen=True)
class Judge:
    """Who judges, how it is asked, and under which terms its words come.

    `retries` is how often an answer that cannot be read is asked for anew, and `known` are the keys of answers of
    earlier runs, which spend none of these. On a `dry` run texts that are not written yet are counted, too. `strict`:
    what the rules suspect is rejected, whatever the judge would say.
    """

    model: str
    sampling: Sampling
    ask: Ask
    terms: str = ""
    retries: int = 0
    known: Set[str] = frozenset()
    dry: bool = False
    strict: bool = False

    @property
    def prompt(self) -> Prompt:
        """What it is asked."""
        return load("judge")


@dataclass(frozen=True)
class Verdict:
    """A text that was put to the judge, and what became of it: the same with the verdict noted, or a failure."""

    text: Kept
    outcome: Kept | Failure

    @property
    def condemned(self) -> bool:
        """Whether the judge found a fault; where it said nothing that can be read, it did not."""
        return isinstance(self.outcome, Failure) and self.outcome.step != NO_VERDICT


@dataclass(frozen=True)
class Judged:
    """What passed the judge, what did not and why, and the samples of which it said nothing that can be read."""

    verdicts: tuple[Verdict, ...]

    @property
    def kept(self) -> list[Kept]:
        """What passed."""
        return [one.outcome for one in self.verdicts if isinstance(one.outcome, Kept)]

    @property
    def failed(self) -> list[Failure]:
        """What was condemned, or got no verdict."""
        return [one.outcome for one in self.verdicts if isinstance(one.outcome, Failure)]

    @property
    def unjudged(self) -> list[Sample]:
        """The samples of the texts without a verdict."""
        lost = (one for one in self.verdicts if isinstance(one.outcome, Failure) and not one.condemned)
        return [one.text.sample for one in lost]

    def counts(self) -> dict[str, Any]:
        """Count the texts by what became of them, those that the rules suspected apart, and the faults by name."""
        faults = Counter(one.step.partition(":")[2] for one in self.failed if one.step != NO_VERDICT)
        suspected = [one for one in self.verdicts if one.text.suspected]
        return {
            "asked": len(self.verdicts),
            "condemned": faults.total(),
            "no_verdict": len(self.unjudged),
            "suspected": {
                "texts": len(suspected),
                "freed": sum(isinstance(one.outcome, Kept) for one in suspected),
                "condemned": sum(one.condemned for one in suspected),
            },
            "faults": dict(faults.most_common()),
        }


def judged(kept: Sequence[Kept], judge: Judge) -> list[Verdict]:
    """Have texts judged, in their order. What the judge did not answer, or not in its form, is no pass."""
    jobs = [_job(one.facts, _text(one), judge) for one in kept]

    def wrong(came: Mapping[str, Answer]) -> set[str]:
        return {key for key, answer in came.items() if _made(answer) and isinstance(_verdict(answer), str)}

    unique = {job.key: job for job in jobs}
    came = put(unique.values(), _later_may_lack(judge.ask), wrong, judge.retries, judge.known)
    found = []
    for one, job in zip(kept, jobs, strict=True):
        answer = came.get(job.key) or Answer(job.key, error="no answer came")
        said = _verdict(answer)
        outcome: Kept | Failure
        if isinstance(said, str):
            outcome = _failure(one, answer, NO_VERDICT, f"the judge gave no verdict: {said}")
        elif said.faults:
            outcome = _failure(one, answer, f"judged:{said.faults[0]}", f"{', '.join(said.faults)}: {said.why}")
        else:
            outcome = _passed(one, answer, said, judge)
        found.append(Verdict(one, outcome))
    return found


def _made(answer: Answer) -> bool:
    return not answer.error or unusable(answer.error)


def foresee(questions: Iterable[Question], judge: Judge) -> None:
    """Ask about texts that nobody has written yet, so that a dry run counts them."""
    # Two objects may have one phrase, and will have two texts.
    jobs = [_job(one.facts, f"{_FORESEEN}{one.number}", judge) for one in questions]
    for _ in judge.ask(jobs):
        pass


def _job(facts: Facts, trace: str, judge: Judge) -> Job:
    text = judge.prompt.render(
        expression=facts.expression,
        category=facts.category,
        amodal=facts.task == "amodal",
        colour=facts.frame_colour,
        occluders=facts.occluders,
        hidden_sides=facts.hidden_sides,
        others=facts.others,
        trace=trace,
    )
    return asked(judge.prompt, text, [], judge.sampling, judge.model)


def _later_may_lack(ask: Ask) -> Ask:
    """Ask so that batch files without later draws of a question are no error: these wait for the next round."""
    turns = 0

    def asking(jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        nonlocal turns
        turns += 1
        put_now = list(jobs)
        try:
            yield from ask(put_now)
        except NothingCame as error:
            if turns == 1:
                raise
            yield from ((job, Answer(job.key, error=str(error))) for job in put_now)

    return asking


def _verdict(answer: Answer) -> Judgement | str:
    """Read a verdict, or say why there is none."""
    if answer.error:
        return answer.error
    if answer.finish not in ("", "stop"):
        return f"the answer ended with {answer.finish!r}, not by itself"
    try:
        return parsed(answer.text, Judgement)
    except Malformed as error:
        return f"{error}, in {answer.text[:80]!r}"


def _text(one: Kept) -> str:
    return one.sample.reasoning if one.facts.task == "visible" else one.sample.amodal_reasoning


def _failure(one: Kept, answer: Answer, step: str, why: str) -> Failure:
    sample = one.sample
    if one.suspected:
        why = f"{why} ({SUSPECTED} {'; '.join(map(str, one.suspected))})"
    return Failure(answer.key, step, why, sample.image, sample.sent, one.facts.task, _text(one)[:SAID])


def _passed(one: Kept, answer: Answer, said: Judgement, judge: Judge) -> Kept:
    told = {
        "model": answer.model or judge.model,
        "terms": judge.terms,
        "prompt": judge.prompt.label,
        "key": answer.key,
        "verdict": "passed",
        "why": said.why,
    }
    origin = one.provenance
    return replace(one, provenance=replace(origin, verdicts=origin.verdicts | {"judge": told}))
