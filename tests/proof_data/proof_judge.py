"""The judge of the proof: a scripted server that says what a large language model said of the same wordings.

Where nothing is recorded it condemns what the rules suspect, and nothing else, so that the rules alone decide; these
texts are counted apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proof_recording import digest, read_recorded
from proof_server import Books, Question, Turn
from proof_table import Found, interval
from proof_wordings import GOOD, Planned, Wording

from egm_core.asking.job import Job
from egm_core.asking.store import Store
from egm_core.curate.reason.judging import Judge
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import reasoned
from egm_core.curate.rules import judge as rules
from egm_core.curate.rules.facts import Facts
from egm_core.curate.teacher.ask import ABOUT
from egm_core.sample import Sample

FAULTS = ("speaks_of_drawing", "holds_measures", "other_object", "wrong_place", "unfinished_or_foreign")
NOT_RECORDED = "Nothing is recorded of this text."
# What it condemns in a text that a rule suspects, where nothing is recorded.
FAULT_OF = {"drawing": FAULTS[0], "wrong_object": FAULTS[2], "wrong_occluder": FAULTS[3], "wrong_side": FAULTS[3],
            "meta": FAULTS[4], "refusal": FAULTS[4]}  # fmt: skip
PASSED = {"why": NOT_RECORDED} | dict.fromkeys(FAULTS, False)
# One of so many questions meets an error of the server first.
TROUBLED = 25


def is_verdict(question: Question) -> bool:
    """Tell whether a question is one for the judge."""
    return FAULTS[0] in question.parts


def name_of(task: str, text: str) -> tuple[str, str, str]:
    """Name a question to the judge in the server's books."""
    return task, "judge", hashlib.sha1(text.encode()).hexdigest()


class RecordedJudge:
    """Gives the recorded verdicts. `spoken` are the planned texts by what the teacher said."""

    def __init__(self) -> None:
        self.verdicts = read_recorded()
        self.spoken: dict[str, Planned] = {}
        # Of each half, whether good, and whether it is recorded: how many texts were suspected, and condemned.
        self.counts: dict[tuple[str, bool, bool], Counter[tuple[bool, bool]]] = {}

    def says(self, wording: Wording) -> dict[str, Any] | None:
        """Give what was said of a wording, None where nothing was."""
        return self.verdicts.get(digest(wording.task, wording.trace))

    def condemns(self, wording: Wording, suspected: bool) -> bool:
        """Tell whether the recording condemns a wording; where there is none, what the rules suspect is condemned."""
        said = self.says(wording)
        return suspected if said is None else any(said[name] for name in FAULTS)

    def came(self, wording: Wording, suspected: bool, condemned: bool) -> None:
        """Count a text that no rule rejected, by what the rules and the judge had against it."""
        place = wording.half, wording.kind == GOOD, self.says(wording) is not None
        self.counts.setdefault(place, Counter())[suspected, condemned] += 1

    def __call__(self, question: Question, books: Books) -> Turn:
        task = "amodal" if "how far the whole object goes on" in question.text else "visible"
        name = name_of(task, question.text)
        before = books.asked(name)
        number = int(name[2], 16) % TROUBLED
        if number < 2 and not before:
            return Turn(name, task, status=(429, 500)[number], headers={"Retry-After": "1"} if not number else {})
        planned = self.spoken.get(plain(trace_of(question.text)))
        said = self.says(planned.wording) if planned else None
        return Turn(name, task, json.dumps(said or by_rules(question.text, task)))


def by_rules(text: str, task: Any) -> dict[str, Any]:
    """Judge as the rules alone would, by what the question tells."""
    suspicions = [one for one in rules.judge(trace_of(text), facts_of(text, task)) if rules.suspects(one)]
    if not suspicions:
        return PASSED
    return PASSED | {"why": f"{NOT_RECORDED} {suspicions[0]}", FAULT_OF[suspicions[0].rule]: True}


def facts_of(text: str, task: Any) -> Facts:
    """Read a question to the judge: what it tells of the scene."""

    def listed(before: str) -> Any:
        told = text.partition(f"{before}: ")[2].partition("\n")[0]
        return () if told == "not known" else tuple(told.split(", "))

    phrase = text.partition('The phrase that means the object: "')[2].partition('"\n')[0]
    category, colour = "".join(listed("The object's name")), re.search(r"a (\w+) frame", text)
    return Facts(
        phrase, category, colour[1] if colour else "", task, listed("What is in front of it"),
        listed("Sides on which it goes on unseen"), listed("Other objects of the picture"),
    )  # fmt: skip


def trace_of(text: str) -> str:
    """Find the text that is to be judged in a question to the judge."""
    found = re.search(r"^-----\n(.*)\n-----$", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def plain(text: str) -> str:
    """Give a text without what tells its lines apart."""
    return " ".join(text.split())


def names_of(ledger: Path, samples: Sequence[Sample], asking: Asking) -> dict[str, tuple[str, str, str]]:
    """Name the judge's questions of a finished run by their keys: made anew from the ledger, and asked of nobody."""
    with Store(ledger, ABOUT) as store:
        known = {answer.key: answer for answer, _ in store.answers()}
    found: dict[str, tuple[str, str, str]] = {}

    def collect(jobs: Any) -> Any:
        for job in jobs:
            found[job.key] = name_of(asking.task, text_of(job))
            yield job, known[job.key]

    reasoned(
        samples, asking, lambda jobs: ((job, known[job.key]) for job in jobs if job.key in known),
        judge=Judge(asking.model, asking.sampling, collect),
    )  # fmt: skip
    return found


def text_of(job: Job) -> str:
    return str(job.messages[0]["content"][-1]["text"])


def tell(judge: RecordedJudge, found: Found) -> None:
    """Say of each half what came to the judge, and what of that was recorded."""
    for (half, good, known), counts in sorted(judge.counts.items(), reverse=True):
        what = f"{'good samples' if good else 'mistakes'} of the {half} half that came to the judge"
        condemned = counts[False, True] + counts[True, True]
        freed, suspected = counts[True, False], counts[True, False] + counts[True, True]
        if known:
            told = f"condemned: {interval(condemned, counts.total())}; suspected by the rules: {suspected}"
            found.say(f"{what}, with a recorded verdict", f"{told}, of which freed: {freed}")
        else:
            found.say(f"{what}, without one", f"{counts.total()}: the rules alone decide, and condemn {condemned}")
