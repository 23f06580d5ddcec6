"""The amodal training set with a judge of its reasoning: a part of that step, and of its price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_teacher import FAULTS, MODEL, Teacher, teaching
from test_set_commands import failures, teacher, training  # noqa: F401

from egm_core.curate.__main__ import main
from egm_core.sample import read_samples


@pytest.fixture
def judge() -> Iterator[Teacher]:
    with teaching() as server:
        server.name = "judge-2"
        yield server


@pytest.fixture
def judged(training: list[str], judge: Teacher) -> list[str]:  # noqa: F811
    return [*training, "--judge-url", judge.url, "--judge-terms", "J's terms"]


def test_a_judge_is_a_part_of_the_reasoning_step(
    tmp_path: Path,
    teacher: Teacher,  # noqa: F811
    training: list[str],  # noqa: F811
    judge: Teacher,
    judged: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*training, "--no-judge"]) == 0
    capsys.readouterr()
    condemned = {"why": "It is behind a lamp.", **{name: name == "wrong_place" for name in FAULTS}}
    judge.mistakes["judge", "cup"] = json.dumps(condemned)
    assert main(judged) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("kept: nothing changed") == 3, "the reasoning alone is made anew, and is not paid again"
    assert "0 by the rules and 2 by the judge, of 6 texts condemned for: wrong_place 2" in printed, printed
    assert teacher.asked == {"express": 6, "verify": 6, "reason": 6} and judge.asked == {"judge": 3}
    assert set(judge.pictures) == {0}
    told = failures(tmp_path / "set", "reasoned")
    assert {one["step"] for one in told} == {"judged:wrong_place"} and "lamp" in told[0]["why"]
    step = json.loads((tmp_path / "set/steps.json").read_text())["reasoned"]
    assert step["terms"] == {"J's terms": 4, "Teacher Inc.'s terms": 4} and step["unanswered"] == 0
    assert main(judged) == 0
    assert capsys.readouterr().out.count("kept: nothing changed") == 4
    assert main([*judged, "--strict-rules"]) == 0
    assert capsys.readouterr().out.count("kept: nothing changed") == 3, "who decides is a part of how it was made"
    assert json.loads((tmp_path / "set/reasoned.rates.json").read_text())["judge"]["strict_rules"] is True


def test_what_has_no_verdict_is_asked_by_the_next_run(
    tmp_path: Path,
    teacher: Teacher,  # noqa: F811
    judge: Teacher,
    judged: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge.mistakes["judge", "car"] = "It is fine."
    assert main(judged) == 0
    assert "2 questions have no answer: run again" in capsys.readouterr().out
    assert len(list(read_samples(tmp_path / "set/reasoned.unjudged.jsonl"))) == 2
    del judge.mistakes["judge", "car"]
    assert main(judged) == 0
    assert len(list(read_samples(tmp_path / "set/reasoned.jsonl"))) == 6


def test_a_dry_run_has_the_judge_s_price(
    teacher: Teacher,  # noqa: F811
    judge: Teacher,
    judged: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    prices = ["--price-in", "2", "--price-out", "8", "--judge-price-in", "3", "--judge-price-out", "4"]
    assert main([*judged, *prices, "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"18 of 18 questions to ask of {MODEL}" in printed and "6 of 6 questions to ask of judge-2" in printed
    assert not teacher.asked and not judge.asked
