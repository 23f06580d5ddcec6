"""Reasoning for samples by a scripted teacher: what is asked, what is kept, and what is written of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egm_core.asking.job import Answer, Job
from egm_core.curate import provenance
from egm_core.curate.provenance import Failure
from egm_core.curate.reason.answers import taken
from egm_core.curate.reason.questions import Asking, questions
from egm_core.curate.reason.rates import table
from egm_core.curate.reason.run import reason
from egm_core.engines.base import Sampling
from egm_core.families import Task
from egm_core.sample import Sample, read_samples

GOOD = "The white mug stands beside the blue plate, and its handle points to the left."
HIDING = "The mug is behind the red box, which hides its left part, so it goes on a little to the left."


def asking(task: Task = "visible") -> Asking:
    return Asking(task, "teacher", Sampling(max_tokens=300, temperature=0.7))


def samples(folder: Path) -> list[Sample]:
    path = folder / "a.png"
    cv2.imwrite(str(path), np.full((100, 100, 3), 90, np.uint8))
    mug = Sample(
        str(path),
        "the white mug",
        (20, 20, 50, 50),
        (5, 20, 50, 50),
        0.6,
        100,
        100,
        category="mug",
        occluders=("the red box",),
    )
    plate = replace(mug, sent="the blue plate", bbox=(60, 20, 90, 50), amodal_bbox=(60, 20, 90, 50), category="plate")
    absent = replace(mug, sent="the lamp", bbox=None, amodal_bbox=None, visible_fraction=None, category="")
    return [mug, absent, plate]


class Teacher:
    """Answers by the expression that is asked for."""

    def __init__(self, **said: Any) -> None:
        self.said = said
        self.jobs: list[Job] = []

    def __call__(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer]]:
        for job in jobs:
            self.jobs.append(job)
            text = job.messages[0]["content"][-1]["text"]
            said = next(answer for name, answer in self.said.items() if f'the phrase is: "the {name}' in text.lower())
            yield job, said if isinstance(said, Answer) else Answer("", json.dumps(said), "stop", model="teacher-1")


def words(text: str, thing: str = "mug", **more: Any) -> dict[str, Any]:
    return {"reasoning": text, "object": thing, **more}


def test_what_passes_is_written_with_its_provenance_and_the_rest_is_never_text(tmp_path: Path) -> None:
    leak = words("The plate is the one inside the magenta frame, beside the mug.", "plate")
    found = reason(samples(tmp_path), asking(), Teacher(white=words(GOOD), blue=leak), tmp_path / "x.jsonl", "terms")
    (kept,) = read_samples(tmp_path / "x.jsonl")
    assert (kept.sent, kept.reasoning, kept.amodal_reasoning) == ("the white mug", GOOD, "")
    (record,) = provenance.read(tmp_path / "x.provenance.jsonl")
    assert (record.prompt, record.model, record.terms) == ("reason_visible_1", "teacher-1", "terms")
    (failure,) = map(json.loads, (tmp_path / "x.failures.jsonl").read_text().splitlines())
    assert failure["step"] == "clean:drawing" and failure["sent"] == "the blue plate" and "frame" in failure["said"]
    assert (found["questions"], found["kept"], found["without_question"]) == (2, 1, 1)
    assert json.loads((tmp_path / "x.rates.json").read_text()) == found
    assert "drawing 1" in table(found) and "50.0%" in table(found)


def test_each_step_is_counted(tmp_path: Path) -> None:
    many = samples(tmp_path)[:1]
    many = [replace(many[0], sent=f"the {name} mug") for name in ("first", "cut", "bare", "fine")]
    teacher = Teacher(
        first=Answer("", error="engine_http_500"),
        cut=Answer("", json.dumps(words(GOOD)), "length"),
        bare=Answer("", GOOD, "stop"),
        fine=words("The fine mug stands beside the blue plate on the table."),
    )
    found = reason(many, asking(), teacher, tmp_path / "x.jsonl")
    assert [step["out"] for step in found["steps"]] == [3, 2, 1, 1]
    steps = [json.loads(line)["step"] for line in (tmp_path / "x.failures.jsonl").read_text().splitlines()]
    assert steps == ["answered", "whole", "formed"]


def test_amodal_answers_are_held_against_occluder_and_sides(tmp_path: Path) -> None:
    mug = samples(tmp_path)[:1]
    right = words(HIDING, occluders=["red box"], hidden_sides=["left"])
    for change, rule in (
        ({}, ""),
        ({"hidden_sides": ["top"]}, "wrong_side"),
        ({"occluders": ["blue plate"]}, "wrong_occluder"),
        ({"reasoning": HIDING.replace("left", "right")}, "wrong_side"),
    ):
        found = reason(mug, asking("amodal"), Teacher(white={**right, **change}), tmp_path / "x.jsonl")
        assert list(found["rules"]) == ([rule] if rule else [])
    assert [one.amodal_reasoning for one in read_samples(tmp_path / "x.jsonl")] == []


def test_the_frame_has_a_colour_that_nobody_speaks_of_and_the_task_s_box(tmp_path: Path) -> None:
    pink = replace(samples(tmp_path)[0], sent="the pink mug")
    (visible,) = questions([pink], asking())
    (amodal,) = questions([pink], asking("amodal"))
    copies = [one.job.messages[0]["content"][1]["picture"] for one in (visible, amodal)]
    assert [copy["frame"] for copy in copies] == [[20, 20, 50, 50], [5, 20, 50, 50]]
    assert visible.facts.frame_colour == copies[0]["colour"] == "cyan"


def test_the_same_question_is_asked_once(tmp_path: Path) -> None:
    teacher = Teacher(white=words(GOOD))
    found = reason([samples(tmp_path)[0]] * 3, asking(), teacher, tmp_path / "x.jsonl")
    assert len(teacher.jobs) == 1 and found["kept"] == 3


def test_an_answer_that_never_came_is_a_failure(tmp_path: Path) -> None:
    found = reason(
        samples(tmp_path)[:1], asking(), lambda jobs: iter([(job, a) for job in jobs for a in ()]), tmp_path / "x.jsonl"
    )
    assert (found["kept"], found["steps"][0]["out"]) == (0, 0)


def test_a_thing_that_is_no_sample_may_be_spoken_of(tmp_path: Path) -> None:
    mug, _, plate = (replace(one, occluders=()) for one in samples(tmp_path))
    box = replace(plate, sent="box", category="box", annotation_id="9")
    said = words("The white mug stands inside the box, and its handle points away from it.")
    for others, rule in (([], "drawing"), ([box], "")):
        found = reason([mug], asking(), Teacher(white=said), tmp_path / "x.jsonl", others=others)
        assert list(found["rules"]) == ([rule] if rule else []), found


def test_a_text_in_another_language_is_counted_as_that(tmp_path: Path) -> None:
    german = "Suche nach dem Becher links neben dem Teller; er ist der einzige seiner Art und steht vor der Wand."
    question = next(questions(samples(tmp_path), asking()))
    for said, rule in ((german, "language"), (f"I cannot see the picture. {GOOD} It has 12 pixels.", "numbers")):
        answer = Answer(question.job.key, json.dumps({"reasoning": said, "object": "mug"}), "stop")
        failed = taken(question, answer)
        assert isinstance(failed, Failure) and rule in failed.why, failed
        assert (failed.step == "clean:language") is (rule == "language"), failed
