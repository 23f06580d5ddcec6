"""Answers that fail by their form are asked for anew, by another seed; verdicts and troubles of servers are not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.asking.job import Answer, Job
from egm_core.curate.prompts import load
from egm_core.curate.provenance import Failure, Provenance
from egm_core.curate.reason.again import another, by_form
from egm_core.curate.reason.questions import Asking
from egm_core.curate.reason.run import reasoned
from egm_core.curate.sets.expressing import Manner, express, fitting
from egm_core.curate.verify.hits import Second, judged
from egm_core.engines.base import Sampling
from egm_core.families import vendors
from egm_core.sample import Sample, read_samples, write_samples

GOOD = {"reasoning": "The white mug stands beside the blue plate, and its handle points away.", "object": "mug"}
LEAK = GOOD | {"reasoning": "The white mug is the one inside the magenta frame, beside the plate."}
DRAWN = Sampling(max_tokens=300, temperature=0.7)


@pytest.fixture
def mug(tmp_path: Path) -> Sample:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 100, 3), 90, np.uint8))
    box = (20, 20, 50, 50)
    return Sample(str(tmp_path / "a.png"), "the white mug", box, box, 1.0, 100, 100, category="mug")


class Teacher:
    """Gives its answers in their order, the last one for ever."""

    def __init__(self, *said: Any) -> None:
        self.said = list(said)
        self.jobs: list[Job] = []

    def __call__(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        for job in jobs:
            said = self.said[min(len(self.jobs), len(self.said) - 1)]
            self.jobs.append(job)
            answer = said if isinstance(said, Answer) else Answer("", json.dumps(said), "stop", model="teacher-1")
            yield job, replace(answer, key=job.key)


CUT = Answer("", '{"reas', "length", error="truncated: the answer was cut off at --max-tokens; allow more")


@pytest.mark.parametrize("wrong", [LEAK, CUT, Answer("", "no JSON", "stop"), Answer("", " ", "stop", error="empty: x")])
@pytest.mark.parametrize(("retries", "asked"), [(0, 1), (1, 2), (3, 2)])
def test_a_failure_of_form_is_asked_for_anew(mug: Sample, wrong: Any, retries: int, asked: int) -> None:
    teacher = Teacher(wrong, GOOD)
    kept, failed, _ = reasoned([mug, mug], Asking("visible", "m", DRAWN, retries=retries), teacher)
    assert (len(teacher.jobs), len(kept), len(failed)) == (asked, *((2, 0) if retries else (0, 2)))
    if retries:
        assert {one.provenance.key for one in kept} == {teacher.jobs[1].key} != {teacher.jobs[0].key}
        assert [job.sampling.seed for job in teacher.jobs] == [None, 1]
    else:
        assert all(by_form(one) for one in failed)


def test_it_ends_after_so_many_and_each_has_a_key_of_its_own(mug: Sample) -> None:
    teacher = Teacher(LEAK)
    kept, failed, _ = reasoned([mug], Asking("visible", "m", replace(DRAWN, seed=5), retries=2), teacher)
    assert (kept, len(failed), len({job.key for job in teacher.jobs})) == ([], 1, 3)
    assert [job.sampling.seed for job in teacher.jobs] == [5, 6, 7] and failed[0].key == teacher.jobs[-1].key
    assert another(teacher.jobs[0], 1).key == teacher.jobs[1].key, "a later run knows it by its key"


@pytest.mark.parametrize("trouble", ["4 attempts failed, the last with HTTP 500", "HTTP 400: bad picture", "not asked"])
def test_troubles_of_servers_are_not_asked_anew(mug: Sample, trouble: str) -> None:
    teacher = Teacher(Answer("", error=trouble))
    _, (failed,), _ = reasoned([mug], Asking("visible", "m", DRAWN, retries=3), teacher)
    assert (len(teacher.jobs), failed.step) == (1, "answered")


@pytest.mark.parametrize(
    ("said", "asked"),
    [({"why": "Two fit.", "accurate": True, "unique": False}, 1), ({"accurate": True, "unique": True}, 3), (CUT, 3)],
)
def test_a_verdict_is_never_asked_anew(mug: Sample, said: Any, asked: int) -> None:
    teacher = Teacher(said)
    (found,) = fitting([mug], Manner("m", DRAWN, retries=2), teacher)
    assert isinstance(found, Failure) and found.step.startswith("verified") and len(teacher.jobs) == asked


def test_expressions_are_asked_for_anew_and_duplicates_are_not(mug: Sample, tmp_path: Path) -> None:
    write_samples(tmp_path / "in.jsonl", [mug, replace(mug, bbox=(60, 60, 90, 90), annotation_id="2")])
    boxed, same = ({"expression": words, "object": "mug"} for words in ("mug at [1, 2, 3, 4]", "white mug"))
    teacher = Teacher(boxed, same)
    told = express(tmp_path / "in.jsonl", tmp_path / "out.jsonl", Manner("m", DRAWN, retries=1), teacher)
    assert told["failed_at"] == {"expressed:shared": 2} and len(teacher.jobs) == 3, "two objects got one phrase"
    rates = json.loads((tmp_path / "out.rates.json").read_text())
    assert (rates["questions"], rates["kept"]) == (2, 0) and not list(read_samples(tmp_path / "out.jsonl"))


def test_a_second_model_s_answer_that_was_cut_off_is_a_miss_and_not_to_be_asked_for_ever(mug: Sample) -> None:
    second = Second("m", vendors.speaker("qwen3_vl", "m"), DRAWN)
    for answer, outcome in ((CUT, "missed"), (Answer("", error="HTTP 400: no"), "failed")):
        (found,) = judged([mug], second, Teacher(answer))
        assert (found.outcome, found.why) == (outcome, answer.error)


def test_what_passed_by_a_later_turn_says_so(mug: Sample) -> None:
    (found,) = fitting(
        [mug], Manner("m", DRAWN, retries=1), Teacher(CUT, {"why": "a", "accurate": True, "unique": True})
    )
    assert isinstance(found, Provenance) and found.prompt == load("verify").label and found.finish == "stop"


def test_records_of_the_same_boxes_are_one_object_whatever_their_numbers(mug: Sample, tmp_path: Path) -> None:
    write_samples(tmp_path / "in.jsonl", [replace(mug, sent=name, annotation_id=name) for name in ("mug", "cup")])
    same = {"expression": "white mug", "object": "mug"}
    told = express(tmp_path / "in.jsonl", tmp_path / "out.jsonl", Manner("m", DRAWN), Teacher(same, same))
    assert told["failed_at"] == {"expressed:duplicate": 1}
    assert [sample.sent for sample in read_samples(tmp_path / "out.jsonl")] == ["white mug"]
