"""A judge of what the rules let pass: it reads words alone, and what it does not say is no pass."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_reason_run import GOOD, HIDING, Teacher, asking, samples, words

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.audit.items import items
from egm_core.curate.audit.sheet import sheet
from egm_core.curate.prompts import Judgement
from egm_core.curate.reason.judging import Judge
from egm_core.curate.reason.rates import table
from egm_core.curate.reason.run import reason
from egm_core.curate.sets.workers import told_beside
from egm_core.engines.base import Sampling
from egm_core.sample import read_samples

FAULTS = ("speaks_of_drawing", "holds_measures", "other_object", "wrong_place", "unfinished_or_foreign")
PLATE = "The blue plate stands to the right of the white mug, and it is flat and round."


def verdict(*faults: str, why: str = "It stands by itself.") -> dict[str, Any]:
    return {"why": why, **{name: name in faults for name in FAULTS}}


class Scripted:
    """Answers by the phrase; several answers of one phrase are given in their order, the last one for ever."""

    def __init__(self, **said: Any) -> None:
        self.said = {name: answers if isinstance(answers, list) else [answers] for name, answers in said.items()}
        self.jobs: list[Job] = []
        self.came: dict[str, Answer] = {}
        self.given = 0

    def __call__(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        for job in jobs:
            self.given += 1
            if job.key not in self.came:
                self.jobs.append(job)
                text = job.messages[0]["content"][-1]["text"]
                several = next(said for name, said in self.said.items() if f'object: "the {name}' in text)
                said = several.pop(0) if len(several) > 1 else several[0]
                answer = said if isinstance(said, Answer) else Answer("", json.dumps(said), "stop", model="judge-2")
                self.came[job.key] = replace(answer, key=job.key)
            yield job, self.came[job.key]


def judge(ask: Any, retries: int = 0, known: Set[str] = frozenset()) -> Judge:
    return Judge("judge", Sampling(max_tokens=400, temperature=0.2), ask, "J's terms", retries, known)


def failures(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "x.failures.jsonl").read_text().splitlines()]


def both() -> Teacher:
    return Teacher(white=words(GOOD), blue=words(PLATE, "plate"))


@pytest.mark.parametrize("fault", FAULTS)
def test_what_it_condemns_is_a_failure_with_its_reason(tmp_path: Path, fault: str) -> None:
    scripted = Scripted(white=verdict(), blue=verdict(fault, why="It says 'flat'."))
    found = reason(samples(tmp_path), asking(), both(), tmp_path / "x.jsonl", judge=judge(scripted))
    assert [one.sent for one in read_samples(tmp_path / "x.jsonl")] == ["the white mug"]
    (failure,) = failures(tmp_path)
    assert (failure["step"], failure["why"]) == (f"judged:{fault}", f"{fault}: It says 'flat'.")
    assert failure["said"] == PLATE, "people look at the text that it is about"
    assert found["caught"] == {"texts": 2, "by_rules": 0, "by_judge": 1, "no_verdict": 0}
    assert found["judge"] == {"asked": 2, "condemned": 1, "no_verdict": 0, "faults": {fault: 1}, "model": "judge",
                              "suspected": {"texts": 0, "freed": 0, "condemned": 0}, "strict_rules": False,
                              "terms": "J's terms", "prompt": "judge_1"}  # fmt: skip
    assert found["steps"][-1] == {"step": "judged", "in": 2, "out": 1, "share": 0.5} and not found["rules"]
    assert "0 by the rules and 1 by the judge, of 2 texts" in table(found) and f"{fault} 1" in table(found)


def test_each_record_names_the_judge_and_its_licence_and_the_sheet_shows_it(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    reason(samples(tmp_path)[:1], asking(), both(), out, "T's terms", judge=judge(Scripted(white=verdict())))
    (record,) = provenance.read(provenance.beside(out))
    told = record.verdicts["judge"]
    assert (told["model"], told["terms"], told["prompt"], told["verdict"]) == (
        "judge-2", "J's terms", "judge_1", "passed",
    )  # fmt: skip
    assert record.verdicts["rules"] == [] and told["key"] and record.terms == "T's terms"
    beside = told_beside(out)
    assert beside["models"] == {"judge-2": 1, "teacher-1": 1} and beside["terms"] == {"J's terms": 1, "T's terms": 1}
    page, _ = sheet(items(out), "x", 0, 1)
    assert "model: judge-2" in page and "verdict: passed; why: It stands by itself." in page


def test_it_sees_what_the_rules_know_and_never_a_picture(tmp_path: Path) -> None:
    said = words(HIDING, occluders=["red box"], hidden_sides=["left"])
    scripted = Scripted(white=verdict())
    reason(samples(tmp_path), asking("amodal"), Teacher(white=said, blue=said), tmp_path / "x.jsonl",
           judge=judge(scripted))  # fmt: skip
    (job,) = scripted.jobs
    (part,) = job.messages[0]["content"]
    assert part["type"] == "text" and job.schema == Judgement.model_json_schema()
    for told in ('"the white mug"', "name: mug", "front of it: the red box", "unseen: left", "the blue plate", HIDING,
                 "how far the whole object goes on"):  # fmt: skip
        assert told in part["text"], told
    assert next(iter(job.schema["properties"])) == "why", "it thinks before it judges"


def test_the_rules_come_first_and_spare_it_the_question(tmp_path: Path) -> None:
    leak = words("The plate stands at [12, 30, 50, 70] in the picture, right beside the mug.", "plate")
    scripted = Scripted(white=verdict())
    found = reason(samples(tmp_path), asking(), Teacher(white=words(GOOD), blue=leak), tmp_path / "x.jsonl",
                   judge=judge(scripted))  # fmt: skip
    assert len(scripted.jobs) == 1
    assert found["caught"] == {"texts": 2, "by_rules": 1, "by_judge": 0, "no_verdict": 0}


CUT = Answer("", '{"why": "', "length", error="truncated: the answer was cut off at --max-tokens; allow more")
DOWN = Answer("", error="4 attempts failed, the last with HTTP 500")


@pytest.mark.parametrize(
    ("broken", "asked"),
    [
        (Answer("", "It is fine.", "stop"), 2),
        (dict.fromkeys(FAULTS, False), 2),
        (verdict() | {"wrong_place": "no"}, 2),
        (Answer("", json.dumps(verdict()), "content_filter"), 2),
        (CUT, 2),
        (DOWN, 1),
    ],
)
def test_what_it_does_not_say_is_no_pass_and_is_kept_apart(tmp_path: Path, broken: Any, asked: int) -> None:
    scripted = Scripted(white=broken)
    found = reason(samples(tmp_path)[:1], asking(), both(), tmp_path / "x.jsonl", judge=judge(scripted, retries=1))
    assert len(scripted.jobs) == asked, "what is broken is asked for once more, and a server's trouble is not"
    assert [one.reasoning for one in read_samples(tmp_path / "x.unjudged.jsonl")] == [GOOD]
    assert not list(read_samples(tmp_path / "x.jsonl"))
    (failure,) = failures(tmp_path)
    assert failure["step"] == provenance.NO_VERDICT and failure["why"].startswith("the judge gave no verdict: ")
    assert found["caught"] == {"texts": 1, "by_rules": 0, "by_judge": 0, "no_verdict": 1}
    assert found["judge"]["faults"] == {} and "without a verdict: 1" in table(found)
    assert told_beside(tmp_path / "x.jsonl")["unanswered"] == 1, "a set's step is not taken for finished"
    # Without a judge nothing of this is left behind.
    reason(samples(tmp_path)[:1], asking(), both(), tmp_path / "x.jsonl")
    assert not (tmp_path / "x.unjudged.jsonl").exists()


def test_a_broken_answer_is_asked_for_anew_and_a_verdict_is_not(tmp_path: Path) -> None:
    scripted = Scripted(white=[CUT, verdict()], blue=[verdict("wrong_place"), verdict()])
    found = reason(samples(tmp_path), asking(), both(), tmp_path / "x.jsonl", judge=judge(scripted, retries=3))
    assert len(scripted.jobs) == 3 and (found["kept"], found["judge"]["condemned"]) == (1, 1)
    assert [job.sampling.seed for job in scripted.jobs] == [None, None, 1]


def test_the_next_run_asks_again_for_what_was_broken_and_for_nothing_else(tmp_path: Path) -> None:
    scripted = Scripted(white=[CUT, CUT, Answer("", "Well.", "stop"), verdict()], blue=verdict())
    for retries, asked, kept in ((1, 3, 1), (0, 4, 1), (0, 5, 2), (0, 5, 2)):
        known = frozenset(scripted.came)
        found = reason(samples(tmp_path), asking(), both(), tmp_path / "x.jsonl", judge=judge(scripted, retries, known))
        assert (len(scripted.jobs), found["kept"]) == (asked, kept)


def test_equal_texts_are_judged_once(tmp_path: Path) -> None:
    scripted = Scripted(white=verdict())
    found = reason([samples(tmp_path)[0]] * 3, asking(), both(), tmp_path / "x.jsonl", judge=judge(scripted))
    assert len(scripted.jobs) == scripted.given == 1 and found["kept"] == found["judge"]["asked"] == 3
