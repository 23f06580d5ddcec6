"""What the rules merely suspect is for the judge to decide; what both are against is asked of the teacher anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_judging import Scripted, failures, judge, verdict
from test_reason_run import GOOD, HIDING, Teacher, asking, samples, words

from egm_core.asking.job import Answer
from egm_core.curate import provenance
from egm_core.curate.audit.items import items
from egm_core.curate.audit.sheet import sheet
from egm_core.curate.reason.rates import table
from egm_core.curate.reason.run import reason
from egm_core.sample import read_samples

# A real frame, which the rules take for the drawing.
FRAMED = "The white mug is the one inside the magenta frame, beside the blue plate."
NUMBERED = "The white mug is the one inside the magenta frame, at [20, 20, 50, 50] in the picture."
DOWN = Answer("", error="4 attempts failed, the last with HTTP 500")


def reasoning(folder: Path, teacher: Any, scripted: Any, retries: int = 0, strict: bool = False) -> dict[str, Any]:
    told = replace(judge(scripted), strict=strict)
    return reason(samples(folder)[:1], replace(asking(), retries=retries), teacher, folder / "x.jsonl", judge=told)


def test_what_the_judge_frees_is_kept_and_tells_what_was_suspected(tmp_path: Path) -> None:
    found = reasoning(tmp_path, Teacher(white=words(FRAMED)), Scripted(white=verdict()))
    assert [one.reasoning for one in read_samples(tmp_path / "x.jsonl")] == [FRAMED]
    (record,) = provenance.read(tmp_path / "x.provenance.jsonl")
    suspicion, *_ = record.verdicts["suspected"]
    assert suspicion.startswith("drawing: ") and record.verdicts["judge"]["verdict"] == "passed"
    page, _ = sheet(items(tmp_path / "x.jsonl"), "x", 0, 1)
    assert '["suspected","drawing: ' in page
    assert found["judge"]["suspected"] == {"texts": 1, "freed": 1, "condemned": 0} and found["caught"]["by_rules"] == 0
    assert "suspected by the rules: 1 texts; the judge freed 1 of them and condemned 0" in table(found)


def test_a_failure_names_what_both_have_against_a_text(tmp_path: Path) -> None:
    said = verdict("speaks_of_drawing", why="It says 'frame'.")
    found = reasoning(tmp_path, Teacher(white=words(FRAMED)), Scripted(white=said))
    (failure,) = failures(tmp_path)
    assert failure["step"] == "judged:speaks_of_drawing"
    assert failure["why"].startswith("speaks_of_drawing: It says 'frame'. (the rules suspected drawing: '")
    assert found["judge"]["suspected"] == {"texts": 1, "freed": 0, "condemned": 1}


def test_without_a_verdict_a_suspicion_frees_nothing(tmp_path: Path) -> None:
    found = reasoning(tmp_path, Teacher(white=words(FRAMED)), Scripted(white=DOWN))
    assert len(list(read_samples(tmp_path / "x.unjudged.jsonl"))) == 1 and found["kept"] == 0
    (failure,) = failures(tmp_path)
    assert failure["step"] == provenance.NO_VERDICT and "(the rules suspected drawing: '" in failure["why"]
    assert found["judge"]["suspected"] == {"texts": 1, "freed": 0, "condemned": 0}


@pytest.mark.parametrize("strict", [False, True])
def test_rules_that_go_by_form_decide_alone_and_so_do_all_that_are_strict(tmp_path: Path, strict: bool) -> None:
    scripted = Scripted(white=verdict())
    found = reasoning(tmp_path, Teacher(white=words(FRAMED if strict else NUMBERED)), scripted, strict=strict)
    (failure,) = failures(tmp_path)
    assert failure["step"] == ("clean:drawing" if strict else "clean:numbers") and not scripted.jobs
    assert "drawing: " in failure["why"], "all that speaks against it is told"
    assert found["caught"]["by_rules"] == 1 and found["judge"]["suspected"]["texts"] == 0


def test_named_parts_of_an_answer_are_facts_that_no_judge_sees(tmp_path: Path) -> None:
    right = words(HIDING, occluders=["red box"], hidden_sides=["left"])
    for change, kept in (({}, 1), ({"hidden_sides": ["top"]}, 0), ({"occluders": ["blue plate"]}, 0)):
        found = reason(samples(tmp_path)[:1], asking("amodal"), Teacher(white=right | change), tmp_path / "x.jsonl",
                       judge=judge(Scripted(white=verdict())))  # fmt: skip
        assert (found["kept"], found["caught"]["by_rules"]) == (kept, 1 - kept)


def test_what_no_judge_is_told_is_for_the_rule_to_decide(tmp_path: Path) -> None:
    whole = words("The white mug stands beside the blue plate, and it is seen in full.")
    found = reasoning(tmp_path, Teacher(white=whole), Scripted(white=verdict()))
    assert found["rules"] == {"wrong_extent": 1}, "the share that is seen is not in the judge's prompt"


class Turns(Teacher):
    """Gives its answers in their order, the last one for ever."""

    def __init__(self, *said: str) -> None:
        super().__init__(white=None)
        self.turns = list(said)

    def __call__(self, jobs: Any) -> Any:
        for job in jobs:
            said = self.turns[min(len(self.jobs), len(self.turns) - 1)]
            self.jobs.append(job)
            yield job, Answer(job.key, json.dumps(words(said)), "stop", model="teacher-1")


BAD = verdict("speaks_of_drawing")


@pytest.mark.parametrize(
    ("said", "verdicts", "retries", "asked", "kept"),
    [
        ((FRAMED, GOOD), [BAD, verdict()], 1, (2, 2), 1),
        ((FRAMED, GOOD), [BAD, verdict()], 0, (1, 1), 0),
        ((FRAMED,), [verdict()], 3, (1, 1), 1),
        # A judge alone may err, and what it has no verdict of is asked again by the next run.
        ((GOOD, GOOD), [BAD, verdict()], 3, (1, 1), 0),
        ((FRAMED, GOOD), [DOWN, verdict()], 3, (1, 1), 0),
    ],
    ids=["both are against it", "no retries", "freed", "the judge alone", "no verdict"],
)
def test_the_teacher_is_asked_anew_where_both_are_against_a_text(
    tmp_path: Path, said: tuple[str, ...], verdicts: list[Any], retries: int, asked: tuple[int, int], kept: int
) -> None:
    teacher, scripted = Turns(*said), Scripted(white=verdicts)
    for _ in range(2):
        # The same command again reads both ledgers, and comes to the same.
        teacher.jobs.clear()
        found = reasoning(tmp_path, teacher, scripted, retries)
        assert (len(teacher.jobs), len(scripted.jobs), found["kept"]) == (*asked, kept)
        assert found["judge"]["asked"] == 1, "what was replaced is not counted"
