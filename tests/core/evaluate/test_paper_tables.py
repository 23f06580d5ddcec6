"""The paper's tables in small, from answers written down by hand, with figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.reports.tables import ablation_table, table_9, table_10, table_11
from egm_core.evaluate.results import absent, check_same_queries, of, read, reasoning_tokens, right

ABOUT = {
    "model": "hand",
    "version": "1",
    "first_seed": 1,
    "scenes": 4,
    "queries_per_scene": 1,
    "mode": "paper",
    "strict": False,
    "reasoning": True,
}
BOX = [0.0, 0.0, 10.0, 10.0]


def row(seed: int, task: str, correct: bool, kind: str = "attribute", thinking: int | None = 10) -> dict[str, Any]:
    there = kind != "absent"
    return {
        "seed": seed,
        "task": task,
        "kind": kind,
        "text": "the mug",
        "outcome": "found" if there or not correct else "absent",
        "correct": correct,
        "truth": BOX if there else None,
        "thinking": thinking,
    }


def stored(folder: Path, name: str, rights: str, thinking: int | None = 10, **about: Any) -> Path:
    """Write a result about four scenes: `rights` says y or n for four visible, four amodal and two absent questions."""
    rows = [row(s, "visible", c == "y", "two_step" if s > 2 else "size", thinking) for s, c in _scenes(rights[:4])]
    rows += [row(s, "amodal", c == "y", "two_step" if s > 2 else "size", thinking) for s, c in _scenes(rights[4:8])]
    rows += [row(s + 4, "visible", c == "y", "absent", thinking) for s, c in _scenes(rights[8:10])]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**ABOUT, **about, "rows": rows}))
    return path


def _scenes(rights: str) -> list[tuple[int, str]]:
    return list(enumerate(rights, start=1))


def cells(table: str, row: int) -> list[str]:
    """Give the cells of a Markdown table's row; 0 is the first below the heading."""
    return [cell.strip() for cell in table.splitlines()[row + 2].strip("|").split("|")]


@pytest.fixture
def three(tmp_path):
    base = stored(tmp_path, "base", "ynnnyynnnn", thinking=8)
    sft = stored(tmp_path, "sft", "yynnyynnyn", thinking=10)
    rl = stored(tmp_path, "rl", "nyyyyyyyyy", thinking=16)
    return base, sft, rl


@pytest.fixture
def results(three):
    return [read(name, path) for name, path in zip(("base", "+ SFT", "+ RL"), three, strict=True)]


def test_the_figures_of_a_result(results):
    base, sft, rl = results
    assert [r.figure(right, of("visible")).value for r in results] == [0.25, 0.5, 0.75]
    assert [r.figure(right, of("amodal")).value for r in results] == [0.5, 0.5, 1.0]
    assert [r.figure(right, absent).value for r in results] == [0.0, 0.5, 1.0]
    assert [r.figure(reasoning_tokens, share=False).value for r in results] == [8.0, 10.0, 16.0]
    difference = rl.since(sft, right, of("visible"))
    assert (difference.difference, difference.count) == (0.25, 4)
    assert not difference.bounded, "four scenes are too few"
    assert base.since(base, right, of("amodal")).difference == 0.0
    assert base.since(sft, right, lambda a: False) is None


def test_table_9(results):
    stages, differences = table_9(results).split("\n\n")
    assert cells(stages, 0)[0] == "base"
    assert [cell.split(" ")[0] for cell in cells(stages, 2)] == ["+", "75.0", "100.0", "100.0", "0.0", "16.0"]
    assert cells(stages, 3) == ["n", "4", "4", "2", "4", "10"]
    assert cells(differences, 0)[0] == "+ SFT against base"
    against = cells(differences, 1)
    assert against[0] == "+ RL against + SFT"
    assert against[1].startswith("+25.0 (")
    assert against[5] == "+6.0 (no interval: all alike)"
    assert "\n\n" not in table_9(results[:1])


def test_table_10_tells_what_reasoning_is_worth_on_two_step_expressions(results, tmp_path):
    direct = read("direct", stored(tmp_path, "direct", "nynnyynyyy", thinking=0, reasoning=False))
    lines = [cells(table_10([(results[2], direct)]), i) for i in range(6)]
    named = {(line[1], line[2]): line for line in lines}
    two_step = named["two-step", "visible"]
    assert (two_step[0], two_step[3]) == ("+ RL", "2")
    assert two_step[4].startswith("100.0 (")
    assert two_step[5].startswith("0.0 (")
    assert two_step[6] == "+100.0 (no interval: 2)"
    assert named["all", "visible"][6].startswith("+50.0 (")
    assert named["two-step", "visible and amodal"][6].startswith("+75.0 (no")
    assert named["all", "visible and amodal"][3] == "8"
    assert two_step[7] == "0.0, 0.0"


def test_table_10_shows_refusals(results, three):
    path = changed(three[2], lambda d: [r.update(outcome="absent", correct=False) for r in d["rows"][:2]])
    table = table_10([(results[2], read("refusing", changed(path, lambda d: d.update(reasoning=False))))])
    line = cells(table, 0)
    assert line[1:3] == ["all", "visible"]
    assert line[7] == "0.0, 50.0"


def test_table_11_counts_what_is_solved_and_what_is_lost(results):
    table = table_11(results[1], results[2])
    visible, amodal, both = (cells(table, i) for i in range(3))
    assert visible[1:] == ["2", "100.0 (no interval: 2), 2 of 2", "2", "50.0 (no interval: 2), 1 of 2"]
    assert amodal[1:] == ["2", "100.0 (no interval: 2), 2 of 2", "2", "0.0 (no interval: 2), 0 of 2"]
    assert both[0] == "visible and amodal"
    assert both[1:4:2] == ["4", "4"]
    assert both[4].endswith("1 of 4")


def test_ablations_are_held_against_the_first(results):
    table = ablation_table(results[1:])
    first, second = cells(table, 0), cells(table, 1)
    assert first[4:] == ["", ""]
    assert second[4].startswith("+25.0 (")
    assert second[5].startswith("+50.0 (")
    assert second[3] == "16.0 (no interval: all alike)"


def test_an_engine_that_tells_no_tokens_has_none(tmp_path):
    silent = read("silent", stored(tmp_path, "silent", "yyyyyyyyyy", thinking=None))
    assert cells(ablation_table([silent]), 0)[3] == "-"
    assert silent.since(silent, reasoning_tokens) is None


def changed(path: Path, change) -> Path:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(first_seed=9), "rl.json has first_seed 9, .*base.json has 1: .* same seeds"),
        (lambda d: d.update(mode="strict"), "mode strict"),
        (lambda d: d["rows"].pop(0), "the visible question 'the mug' about scene 1 is only in .*base.json"),
        (lambda d: d["rows"].append(row(77, "amodal", True)), "about scene 77 is only in .*rl.json"),
        (lambda d: d["rows"][0].update(kind="relation"), "kind relation for the visible question"),
        (lambda d: d["rows"][0].update(truth=[0, 0, 10, 14]), "truth .*14.0.* for the visible question"),
        (lambda d: d["rows"][0].update(truth=None), "the truth None"),
    ],
)
def test_other_queries_are_refused(three, change, words):
    base, _, rl = three
    with pytest.raises(ValueError, match=words):
        check_same_queries([read("base", base), read("rl", changed(rl, change))])


def test_a_pixel_more_is_still_the_same_query(three):
    base, _, rl = three
    moved = changed(rl, lambda d: d["rows"][0].update(truth=[0, 0, 10, 11]))
    check_same_queries([read("base", base), read("rl", moved)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no result of"),
        ('{"rows": []}', "no result of .*first_seed"),
        (json.dumps({**ABOUT, "rows": []}), "no answers"),
        (json.dumps({**ABOUT, "rows": [{"seed": 1}]}), "no result of"),
        (json.dumps({**ABOUT, "rows": [row(1, "visible", True)] * 2}), "twice"),
        (json.dumps([1]), "no result of"),
    ],
)
def test_files_that_are_no_results_are_named(text, words, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"broken.json .*{words}"):
        read("broken", path)


def test_the_command_prints_every_table_and_draws_the_chart(three, tmp_path, capsys):
    base, sft, rl = map(str, three)
    direct = str(stored(tmp_path, "direct", "nynnyynyyy", thinking=0, reasoning=False))
    chart = tmp_path / "charts" / "tokens.png"
    command = ["tables", "--base", base, "--sft", sft, "--rl", rl, "--rl-direct", direct]
    command += ["--ablation", f"0.5={rl}", "--ablation", f"weight=1={sft}", "--png", str(chart)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    for words in ("4 scenes from seed 1", "Table 9", "Table 10", "Table 11", "Ablations", "| + RL |", "| weight=1 |"):
        assert words in printed
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no result to print"),
        (["--rl-direct", "{rl}"], "give --rl too"),
        (["--rl", "{rl}", "--rl-direct", "{sft}"], "sft.json was made without --no-reasoning"),
        (["--ablation", "{rl}"], "not NAME=FILE"),
        (["--base", "nowhere.json"], "nowhere.json"),
    ],
)
def test_senseless_commands_are_refused(options, words, three, capsys):
    names = dict(zip(("base", "sft", "rl"), three, strict=True))
    assert main(["tables", *(option.format(**names) for option in options)]) == 2
    assert words in capsys.readouterr().err


def test_results_without_tokens_have_no_place_in_a_chart(tmp_path, capsys):
    silent = stored(tmp_path, "silent", "yyyyyyyyyy", thinking=None)
    assert main(["tables", "--sft", str(silent), "--png", str(tmp_path / "c.png")]) == 2
    assert "silent.json" in capsys.readouterr().err
