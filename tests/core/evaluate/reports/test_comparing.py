"""`egm evaluate compare` and `table`: what must be the same in two results that are set beside each other."""

from __future__ import annotations

import json

import pytest
from test_field_tables import ALL, result

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.html.page import _questions
from egm_core.evaluate.html.runs import read


def changed(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


CHANGES = {
    "truth": (lambda d: d["rows"][0].update(truth=[50, 50, 90, 90]), "has the truth"),
    "words": (lambda d: d["rows"][0].update(text="another mug"), "has the words"),
    "picture": (lambda d: d["rows"][0].update(image="b.png"), "has the picture"),
    "threshold": (lambda d: d.update(strict=False), "has strict False"),
    "task": (lambda d: d.update(task="amodal"), "has task amodal"),
    "twice": (lambda d: d["rows"].append(d["rows"][0]), "holds a query twice"),
    "split": (lambda d: [row.update(id="x" + row["id"]) for row in d["rows"]], "no query in common"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_compare_refuses_what_is_not_the_same(tmp_path, name, capsys):
    change, words = CHANGES[name]
    one, two = (result(tmp_path, n, "ynnn", ALL[:1]) for n in ("a", "b"))
    assert main(["compare", str(one), str(changed(two, change))]) == 2
    told = capsys.readouterr().err
    assert words in told and "b.json" in told and "scenes" not in told.replace("evaluate scenes --json`, `refer`", "")


def test_compare_says_that_answers_were_read_by_other_rules(tmp_path, capsys):
    one, two = (result(tmp_path, n, "ynnn", ALL[:1], mode=m) for n, m in (("a", "salvage"), ("b", "paper_eval")))
    assert main(["compare", str(one), str(two)]) == 0
    assert "read by the rules salvage" in capsys.readouterr().err


def test_compare_says_how_many_questions_are_in_both(tmp_path, capsys):
    one, two = (result(tmp_path, n, "ynnn", ALL[:1]) for n in ("a", "b"))
    assert main(["compare", str(one), str(changed(two, lambda d: d["rows"].pop()))]) == 0
    assert "1 of 4 questions are not in" in capsys.readouterr().err


def test_compare_says_what_it_costs_in_tokens(tmp_path, capsys):
    one, two = (result(tmp_path, n, "ynnn", ALL[:1]) for n in ("a", "b"))
    assert main(["compare", str(one), str(changed(two, lambda d: d["rows"][0].update(thinking=1)))]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("reasoning tokens"))
    assert "-1.0 a question" in line and line.endswith("n 4")
    blind = changed(two, lambda d: [row.update(thinking=None) for row in d["rows"]])
    assert main(["compare", str(one), str(blind)]) == 0
    assert "reasoning tokens" not in capsys.readouterr().out


@pytest.mark.parametrize(("number", "task"), [("5", "visible"), ("4", "amodal"), ("10", "amodal")])
def test_tables_take_the_boxes_that_they_are_about(tmp_path, number, task, capsys):
    assert main(["table", number, f"EGM-8B={result(tmp_path, 'a', 'yn', ALL[:1], task)}"]) == 2
    assert f"is about {task} boxes" in capsys.readouterr().err


@pytest.mark.parametrize(("field", "value"), [("correct", "False"), ("seconds", -1)])
@pytest.mark.parametrize("command", ["latency", "report"])
def test_values_that_mean_nothing_are_refused_by_name(tmp_path, field, value, command, capsys):
    path = changed(result(tmp_path, "a", "yn", ALL[:1]), lambda d: d["rows"][0].update({field: value}))
    assert main([command, str(path), *(["--out", str(tmp_path / "r.html")] if command == "report" else [])]) == 2
    assert f"{field} is {value!r}" in capsys.readouterr().err


def test_a_report_shows_every_question_and_goes_into_a_file(tmp_path, capsys):
    path = changed(result(tmp_path, "a", "yyy", ALL[:1]), lambda d: [row.update(text="cup") for row in d["rows"]])
    assert len(_questions([read(path), read(path)])) == 3
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(path), "--out", str(tmp_path)])
    assert "is a folder" in capsys.readouterr().err
