"""Results whose model was kept from reasoning say so wherever they are shown, and are not mixed with the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_field_tables import ALL, cells, result

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.html.page import page
from egm_core.evaluate.html.runs import read as read_run
from egm_core.evaluate.reports.tables import ablation_table
from egm_core.evaluate.results import FORBIDDEN, read


@pytest.fixture
def both(tmp_path):
    """One model's results on the same questions, with reasoning and with it forbidden."""
    with_it, without = result(tmp_path, "a", "yyyyyy", model="m"), result(tmp_path, "b", "ynnnnn", reasoning=False)
    without.write_text(without.read_text().replace('"model": "b"', '"model": "m"'))
    return str(with_it), str(without)


@pytest.mark.parametrize("verb", [("table", "4"), ("latency",)])
def test_one_name_for_both_is_refused_with_the_remedy(both, tmp_path, verb, capsys):
    half = result(tmp_path, "half", "yyyyyy", ALL[:4])
    other = result(tmp_path, "other", "yyyyyy", ALL[4:], reasoning=False)
    assert main([*verb, f"m={half}", f"m={other}"]) == 2
    told = capsys.readouterr().err
    assert f"{other} was made with --no-reasoning, {half} with reasoning" in told
    assert f"name the former 'm w/o R={other}'" in told


def test_without_names_they_are_two_lines(both, capsys):
    assert main(["table", "10", *both]) == 0
    printed = capsys.readouterr().out
    assert cells(printed, "m")[0].startswith("100.0 (") and cells(printed, "m w/o R")[0].startswith("16.7 (")
    assert cells(printed, "m: reasoning is worth")[0] == ""
    assert f"- m w/o R (b.json): {FORBIDDEN}" in printed and f"- m (a.json): {FORBIDDEN}" not in printed


def test_a_name_that_does_not_say_so_has_a_note(both, capsys):
    assert main(["table", "4", f"EGM-8B={both[1]}"]) == 0
    assert f"- EGM-8B (b.json): {FORBIDDEN}" in capsys.readouterr().out
    assert main(["table", "11", f"base={both[1]}", f"egm={both[0]}"]) == 0
    printed = capsys.readouterr().out
    assert f"base: {FORBIDDEN}" in printed and f"egm: {FORBIDDEN}" not in printed


def test_compare_says_of_which(both, capsys):
    assert main(["compare", *both]) == 0
    head = capsys.readouterr().out.partition("\n\n")[0]
    assert f"{both[1]}: {FORBIDDEN}" in head and f"{both[0]}: {FORBIDDEN}" not in head
    assert "what reasoning is worth" in head
    assert main(["compare", both[1], both[1]]) == 0
    assert "worth" not in capsys.readouterr().out


def test_times_and_the_sets_own_rules_say_so(both, capsys):
    assert main(["latency", *both]) == 0
    printed = capsys.readouterr().out
    assert (
        cells(printed, "m w/o R")[3] == "in batches of 4, no reasoning" and cells(printed, "m")[3] == "in batches of 4"
    )
    assert main(["theirs", both[1], "--rule", "ref-l4"]) == 0
    assert FORBIDDEN in capsys.readouterr().out
    printed = ablation_table([read("n", Path(both[1])), read("m", Path(both[0]))])
    assert "| n, no reasoning |" in printed and "| m |" in printed


def test_the_page_tells_one_models_results_apart(both):
    runs = [read_run(Path(name)) for name in both]
    assert [run.name for run in runs] == ["m", "m, no reasoning"]
    made = page(runs, pictures=False).html
    assert "<title>m and m, no reasoning</title>" in made and "<th>m, no reasoning</th>" in made


def test_answers_by_a_rule_were_not_kept_from_reasoning(tmp_path, capsys):
    path = result(tmp_path, "copy", "yyyyyy", reasoning=False, mode="rule")
    assert main(["table", "4", f"copy={path}"]) == 0
    assert FORBIDDEN not in capsys.readouterr().out and read_run(path).name == "copy"
