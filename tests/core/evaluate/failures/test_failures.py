"""Failures judged by several models: what they are shown, how they agree, and who mends them."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.failures.agreement import fleiss_kappa
from egm_core.evaluate.failures.judging import PREDICTION, TRUTH, failures, framed, part_of, reason_of
from egm_core.evaluate.results import read

sys.path.insert(0, str(Path(__file__).parents[2] / "engines"))
from misbehaving import running


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((100, 100, 3), 90, np.uint8))
    return path


def result(picture: Path, name: str, right: str) -> Path:
    rows = [
        {"id": f"q{n}", "seed": n, "task": "visible", "kind": "plain", "text": f"cup {n}", "correct": letter == "y",
         "outcome": "failed" if letter == "x" else "found", "truth": [10, 10, 50, 50], "thinking": None,
         "box": None if letter == "x" else [60, 60, 90, 90], "image": str(picture)}
        for n, letter in enumerate(right)
    ]  # fmt: skip
    about = {"of": "samples", "task": "visible", "questions": len(rows), "strict": True, "reasoning": True,
             "model": name, "version": ""}  # fmt: skip
    path = picture.parent / f"{name}.json"
    path.write_text(json.dumps({**about, "rows": rows}))
    return path


def test_kappa_is_that_of_fleiss_own_example():
    # Ten subjects, fourteen raters, five categories: 0.210.
    table = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
             [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]  # fmt: skip
    assert fleiss_kappa(table) == pytest.approx(0.210, abs=0.0005)


def test_kappa_at_its_ends():
    assert fleiss_kappa([[2, 0], [0, 2]]) == pytest.approx(1.0)
    assert fleiss_kappa([[1, 1], [1, 1]]) == pytest.approx(-1.0)
    assert math.isnan(fleiss_kappa([[2, 0], [2, 0]]))
    assert math.isnan(fleiss_kappa([]))
    with pytest.raises(ValueError, match="same number of judges"):
        fleiss_kappa([[2, 0], [1, 0]])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('Two cups.\n{"reason": "COMPLEX-PROMPT"}', "COMPLEX-PROMPT"),
        ('{"reason": "gt_error"}', "GT-ERROR"),
        ('Not {"reason": "OTHER"}, rather {"reason": "SMALL-OBJECT"}', "SMALL-OBJECT"),
        ("It is an AMBIGUOUS-IMAGE.", "AMBIGUOUS-IMAGE"),
        ("The other cup was found: COMPLEX-PROMPT", "COMPLEX-PROMPT"),
        ("COMPLEX-PROMPT or GT-ERROR", None),
        ('{"reason": "tired"}', None),
        ("", None),
    ],
)
def test_a_reason_is_read_or_called_unreadable(text, reason):
    assert reason_of(text) == reason


def test_only_answered_failures_are_judged(picture):
    found, unanswered = failures(read("m", result(picture, "m", "ynnx")))
    assert ([f.answer.id for f in found], unanswered) == (["q1", "q2"], 1)


def test_both_frames_are_drawn_and_the_words_asked(picture):
    failure = failures(read("m", result(picture, "m", "n")))[0][0]
    image = framed(failure.reference)
    assert tuple(image[10, 30]) == TRUTH
    assert tuple(image[60, 75]) == PREDICTION
    assert '"cup 0"' in failure.prompt


def test_judges_shares_agreement_and_recovery_are_printed(picture, tmp_path, capsys):
    small, large = result(picture, "small", "nnny"), result(picture, "InternVL-3-78B", "ynnn")
    out = tmp_path / "judged.json"
    with running() as one, running() as two:
        one.model, two.model = 'says:{"reason": "COMPLEX-PROMPT"}', 'says:{"reason": "COMPLEX-PROMPT"}'
        command = ["failures", str(small), "--judge", f"first={one.url}", "--judge", f"second={two.url}"]
        assert main([*command, "--by", f"InternVL-3-78B={large}", "--json", str(out)]) == 0
        count = len(one.bodies)
        assert count == 3
        assert main(command) == 0
        assert len(one.bodies) == count
    printed = capsys.readouterr().out
    for words in (
        "3 wrong answers, judged by first, second",
        "COMPLEX-PROMPT (Table 1) | 100.0",
        "62.8",
        "Fleiss' kappa of 2 judges over 3 of 3 failures cannot be told",
        "| InternVL-3-78B | 33.3",
        "42.6",
    ):
        assert words in printed, words
    assert len(json.loads(out.read_text())["judgements"]["first"]) == 3


def test_what_a_judge_says_unclearly_is_told_and_in_no_share(picture, capsys):
    with running() as server:
        server.model = "says:who knows"
        assert main(["failures", str(result(picture, "m", "nn")), "--judge", f"j={server.url}"]) == 1
    told = capsys.readouterr()
    assert "j: 2 of 2 judgements unreadable, and in no share; run again to ask these anew" in told.err
    assert "| judged | 0 |" in told.out


def test_failures_that_look_alike_are_asked_about_once_and_each_has_the_reason(picture, tmp_path, capsys):
    file = result(picture, "small", "nnnn")
    stored = json.loads(file.read_text())
    for row in stored["rows"][:3]:
        row["text"] = "the same cup"
    file.write_text(json.dumps(stored))
    out = tmp_path / "judged.json"
    with running() as server:
        server.model = 'says:{"reason": "OTHER"}'
        assert main(["failures", str(file), "--judge", f"j={server.url}", "--json", str(out)]) == 0
        assert len(server.bodies) == 2
        server.model = "says:who knows"
        assert main(["failures", str(file), "--judge", f"k={server.url}"]) == 1
    assert json.loads(out.read_text())["judgements"]["j"] == {f"q{n}": "OTHER" for n in range(4)}
    told = capsys.readouterr()
    assert "| judged | 4 |" in told.out
    assert "k: 4 of 4 judgements unreadable" in told.err


def test_what_could_not_be_read_is_asked_anew_by_the_next_run_and_only_that(picture, capsys):
    command = ["failures", str(result(picture, "m", "nn")), "--judge"]
    with running() as server:
        command.append(f"j={server.url}")
        server.model = "says:who knows"
        assert [main(command), main(command)] == [1, 1]
        assert len(server.bodies) == 4
        # The store holds one model's answers: the judge keeps its name and says something else.
        file = picture.parent / "m.judged" / "j.answers"
        with sqlite3.connect(file) as base:
            base.execute("UPDATE jobs SET text = ? WHERE rowid = 1", ('{"reason": "OTHER"}',))
        assert main(command) == 1
        assert len(server.bodies) == 5
    assert "| judged | 1 |" in capsys.readouterr().out


def test_kappa_over_no_failure_says_so(picture, capsys):
    with running() as one, running() as two:
        one.model, two.model = "says:who knows", 'says:{"reason": "OTHER"}'
        judges = ["--judge", f"one={one.url}", "--judge", f"two={two.url}"]
        assert main(["failures", str(result(picture, "m", "nn")), *judges]) == 1
    told = capsys.readouterr().out
    assert "over 0 of 2 failures cannot be told: no failure has a reason from every judge" in told


def test_a_part_of_the_failures_is_a_random_one_and_said_to_be_a_part(picture, capsys):
    found, _ = failures(read("m", result(picture, "m", "n" * 40)))
    few, more = ([f.answer.id for f in part_of(found, count)] for count in (5, 10))
    assert set(few) < set(more) and more != [f"q{n}" for n in range(10)]
    assert part_of(found, None) == part_of(found, 40) == found
    out, file = picture.parent / "judged.json", picture.parent / "m.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"unasked": 60, "questions": 100}))
    with running() as server:
        server.model = 'says:{"reason": "OTHER"}'
        judge = ["--judge", f"a={server.url}", "--most", "5", "--json", str(out)]
        assert main(["failures", str(file), *judge]) == 0
    words = "PART ONLY: 5 of 40 wrong answers are judged (--most), drawn at random"
    told = capsys.readouterr()
    assert words in told.out and "PART ONLY: 60 of 100 questions were not asked" in told.err
    assert json.loads(out.read_text())["warnings"][-1] == words
