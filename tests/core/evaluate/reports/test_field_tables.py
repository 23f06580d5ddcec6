"""Results on samples in the layouts of the paper's tables, its values and the differences beside ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.paper.grounding import ROWS
from egm_core.evaluate.paper.splits import SPLITS
from egm_core.evaluate.reports.field_tables import Model, known, table_4
from egm_core.evaluate.results import read

ALL = tuple(split.name for split in SPLITS)


def result(folder: Path, name: str, right: str, columns: tuple[str, ...] = ALL, task: str = "visible", **about) -> Path:
    """Write a result: one row for each letter of `right` in each split; y is a right answer, x one that failed."""
    rows = []
    for column in columns:
        for number, letter in enumerate(right):
            rows.append({
                "id": f"{column}|{number}|{task}", "seed": number, "task": task, "kind": "plain", "kinds": ["plain"],
                "text": f"cup {number}", "outcome": {"y": "found", "n": "found", "x": "failed"}[letter],
                "correct": letter == "y", "truth": [0, 0, 10, 10], "box": [0, 0, 10, 10] if letter == "y" else None,
                "thinking": 5, "column": column, "iou": float(letter == "y"), "seconds": 0.25, "image": "a.png",
            })  # fmt: skip
    told = {
        "of": "samples", "task": task, "questions": len(rows), "strict": True, "reasoning": True, "model": name,
        "version": "", "unasked": 0, "subset": None, "splits": [], "asked": "in batches of 4", "machine": "a laptop",
    } | about  # fmt: skip
    path = folder / f"{name.replace('/', '_')}.json"
    path.write_text(json.dumps({**told, "rows": rows}))
    return path


def cells(printed: str, start: str) -> list[str]:
    line = next(line for line in printed.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize(
    ("name", "line"),
    [("EGM-8B", "EGM-Qwen3-VL-8B"), ("nvidia/EGM-4B", "EGM-Qwen3-VL-4B"), ("InternVL3-8B", "InternVL-3-8B"),
     ("EGM-8B w/o R", "EGM-Qwen3-VL-8B w/o R"), ("qwen3-vl-8b-thinking", "Qwen3-VL-8B-Thinking")],
)  # fmt: skip
def test_the_papers_line_is_found_by_the_names_that_models_have(name, line):
    assert known(name) is ROWS[line]
    assert known("EGM-9B") is None


def test_table_4_has_ours_the_papers_and_the_difference(tmp_path, capsys):
    path = result(tmp_path, "EGM-8B", "yyyyyyyyyn")
    assert main(["table", "4", f"EGM-8B={path}"]) == 0
    printed = capsys.readouterr().out
    ours, paper, difference = (cells(printed, s) for s in ("EGM-8B", "EGM-Qwen3-VL-8B, paper", "difference"))
    assert ours[0].startswith("90.0 (")
    assert paper[:8] == ["93.9", "95.0", "91.2", "90.1", "93.3", "85.9", "90.4", "91.2"]
    assert difference[0].startswith("-3.9 (")
    assert ours[8].startswith("90.0 (")
    assert difference[8].startswith("-1.4 (")
    assert "success is IoU > 0.5" in printed


def test_splits_may_come_from_several_files_and_missing_ones_are_told(tmp_path, capsys):
    one = result(tmp_path, "one", "yy", ALL[:2])
    two = result(tmp_path, "two", "nn", ALL[2:3], splits=["RefCOCO testB: 2 rows on 2 images, of 5095 sentences"])
    assert main(["table", "4", f"EGM-8B={one}", f"EGM-8B={two}"]) == 0
    printed = capsys.readouterr().out
    ours = cells(printed, "EGM-8B")
    assert ours[3] == "-"
    assert ours[8].endswith("of 3")
    assert cells(printed, "difference")[8] == "-"
    assert "RefCOCO testB: 2 rows" in printed


def test_the_same_question_twice_in_one_line_is_refused(tmp_path):
    path = result(tmp_path, "one", "y")
    with pytest.raises(ValueError, match="answer the same question"):
        Model("x", (read("x", path), read("x", path)))


def test_part_results_and_failed_answers_are_told_below_the_table(tmp_path):
    path = result(tmp_path, "m", "yx", unasked=7, subset="2 of 9 at random, seed 42")
    table = table_4([Model("m", (read("m", path),))])
    for words in ("PART ONLY: 7 of", "2 of 9 at random", "8 answers failed, and count as wrong"):
        assert words in table
    assert cells(table, "m")[0].startswith("50.0")


def test_table_10_says_what_reasoning_is_worth_pair_by_pair(tmp_path, capsys):
    egm, direct = result(tmp_path, "a", "yyyn"), result(tmp_path, "b", "ynnn", reasoning=False)
    assert main(["table", "10", f"EGM-8B={egm}", f"EGM-8B w/o R={direct}"]) == 0
    assert cells(capsys.readouterr().out, "EGM-8B: reasoning is worth")[8].startswith("+50.0 (")


@pytest.mark.parametrize("swapped", [True, False])
def test_a_result_with_reasoning_is_no_line_without_it(tmp_path, swapped, caplog):
    egm, direct = result(tmp_path, "a", "y", reasoning=not swapped), result(tmp_path, "b", "n")
    assert main(["table", "10", f"EGM-8B={egm}", f"EGM-8B w/o R={direct}"]) != 0
    assert "was made with" in caplog.text and "cannot be the line" in caplog.text


def test_table_5_has_gains_beside_the_papers(tmp_path, capsys):
    base = result(tmp_path, "a", "ynnn", ("COCO-Amodal val",), "amodal")
    egm = result(tmp_path, "b", "yynn", ("COCO-Amodal val",), "amodal")
    assert main(["table", "5", f"Qwen3-VL-8B={base}", f"EGM-8B={egm}"]) == 0
    row = cells(capsys.readouterr().out, "Qwen3-VL-8B")
    assert [row[0][:4], row[1][:4], row[2][:5], row[3]] == ["25.0", "50.0", "+25.0", "+2.5"]
    assert row[4].startswith("+22.5 (")


def test_table_9_steps_through_the_stages(tmp_path, capsys):
    base, sft, rl = (result(tmp_path, n, r) for n, r in (("a", "ynnn"), ("b", "yynn"), ("c", "yyyn")))
    assert main(["table", "9", f"base={base}", f"sft={sft}", f"rl={rl}", "--size", "8B"]) == 0
    printed = capsys.readouterr().out
    assert [cell[:4] for cell in cells(printed, "mean of the splits")] == ["25.0", "50.0", "75.0"]
    assert cells(printed, "Qwen3-VL-8B, paper") == ["87.8", "lost", "91.4"]
    assert cells(printed, "rl against sft")[0].startswith("+25.0")


def test_table_11_counts_what_is_solved_of_what_was_wrong(tmp_path, capsys):
    base, egm = result(tmp_path, "a", "nnnny", ALL[:1]), result(tmp_path, "b", "ynnny", ALL[:1])
    assert main(["table", "11", f"base={base}", f"egm={egm}"]) == 0
    printed = capsys.readouterr().out
    solved, unsolved = cells(printed, "solved"), cells(printed, "unsolved")
    assert (solved[0], solved[1][:4], solved[2], solved[3]) == ("1", "25.0", "3030", "49.8")
    assert (unsolved[0], unsolved[1][:4]) == ("3", "75.0")


def test_the_papers_own_lines_need_no_result(capsys):
    assert main(["table", "4", "--paper"]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if ", paper |" in line]) == len(ROWS)


@pytest.mark.parametrize(
    ("words", "told"),
    [(["4"], "no result to print"), (["9", "first={}"], "has no place in Table 9"), (["11", "base={}"], "base=FILE")],
)
def test_senseless_tables_are_refused(tmp_path, words, told, capsys):
    path = result(tmp_path, "m", "y")
    assert main(["table", *(word.format(path) for word in words)]) == 2
    assert told in capsys.readouterr().err


def test_compare_pairs_results_on_samples_by_split(tmp_path, capsys):
    one, two = result(tmp_path, "a", "ynnn", ALL[:2]), result(tmp_path, "b", "yynn", ALL[:2])
    assert main(["compare", str(one), str(two)]) == 0
    printed = capsys.readouterr().out
    assert "visible RefCOCO testA" in printed
    assert "+25.0 points" in printed


def test_latency_states_load_and_machine_and_draws(tmp_path, capsys):
    path, out = result(tmp_path, "m", "yn"), tmp_path / "f.svg"
    assert main(["latency", f"EGM-8B={path}", "--draw", str(out), "--paper"]) == 0
    row = cells(capsys.readouterr().out, "EGM-8B")
    assert (row[0][:5], *row[2:]) == ("250.0", "IoU > 0.5", "in batches of 4", "a laptop")
    assert out.read_text().startswith("<?xml")


def test_results_on_other_samples_are_not_set_beside_each_other(tmp_path, capsys):
    one, two = result(tmp_path, "a", "yn", ALL[:1]), result(tmp_path, "b", "yy", ALL[1:2])
    assert main(["table", "11", f"base={one}", f"egm={two}"]) == 2
    assert "same files and rules" in capsys.readouterr().err


class TestOtherSplits:
    """A set whose name is none of the paper's has no column: it is named, and counts nowhere."""

    @pytest.mark.parametrize("number", ["4", "10"])
    def test_no_row_that_fits_is_a_failure_that_names_the_splits(self, tmp_path, number, caplog):
        path = result(tmp_path, "egm_tiny", "yyn", ("mine val",))
        assert main(["table", number, f"a={path}"]) == 1
        assert "'mine val' (3 rows)" in caplog.text and "RefCOCO val" in caplog.text and "folder" in caplog.text

    def test_rows_of_other_splits_are_named_and_not_counted(self, tmp_path, capsys):
        known_, other = (result(tmp_path, name, right, (column,)) for name, right, column in
                         (("one", "yyyy", ALL[0]), ("two", "nnnn", "mine val")))  # fmt: skip
        direct = result(tmp_path, "three", "nnnn", ("mine val",), reasoning=False)
        assert main(["table", "10", f"m={known_}", f"m={other}", f"m w/o R={direct}"]) == 0
        printed = capsys.readouterr().out
        line = cells(printed, "m")
        assert line[8].startswith("100.0") and line[8].endswith("of 1") and line[9] == "4"
        assert "LEFT OUT: m has 'mine val' (4 rows)" in printed and "m w/o R has 'mine val'" in printed
        assert set(cells(printed, "m: reasoning is worth")) <= {"", "-"}

    def test_table_9_holds_only_all_splits_against_the_paper(self, tmp_path, capsys):
        path = result(tmp_path, "one", "yyyy", (ALL[0], "mine val"))
        assert main(["table", "9", f"base={path}", "--size", "8B"]) == 0
        assert set(cells(capsys.readouterr().out, "difference")) == {"-"}


class TestSplitsOfARow:
    """A row's means are over the splits that all have, and the table says which."""

    def test_table_9_compares_what_all_stages_have(self, tmp_path, capsys):
        base, sft = result(tmp_path, "a", "yn", ALL[:2]), result(tmp_path, "b", "yy", ALL[:1])
        extra = result(tmp_path, "c", "nn", ("gRefCOCO val",))
        with_third = result(tmp_path, "d", "nn", ALL[1:2])
        assert main(["table", "9", f"base={base}", f"sft={sft}", f"base={extra}"]) == 0
        printed = capsys.readouterr().out
        assert [c[:5] for c in cells(printed, f"mean of the splits ({ALL[0]})")[:2]] == ["50.0 ", "100.0"]
        assert f"NOT THE SAME SPLITS: base has {ALL[1]}, {ALL[0]}; sft has {ALL[0]}." in printed
        assert "LEFT OUT: base has 'gRefCOCO val' (2 rows)" in printed
        assert main(["table", "9", f"base={sft}", f"sft={with_third}"]) == 0
        assert "NO SPLIT IN COMMON" in capsys.readouterr().out

    def test_latency_compares_what_all_have(self, tmp_path, capsys):
        one, two = result(tmp_path, "a", "yn", ALL[:2]), result(tmp_path, "b", "yy", ALL[:1])
        extra = result(tmp_path, "c", "nn", ("gRefCOCO val",))
        assert main(["latency", f"a={one}", f"b={two}", f"b={extra}"]) == 0
        printed = capsys.readouterr().out
        assert cells(printed, "b")[1].startswith("100.0") and f"Means are over what all have: {ALL[0]}." in printed
        assert "LEFT OUT: b has 'gRefCOCO val'" in printed

    def test_table_5_compares_what_all_have(self, tmp_path, capsys):
        base = result(tmp_path, "a", "ynnn", ("COCO-Amodal val", "KINS test"), "amodal")
        egm = result(tmp_path, "b", "yynn", ("COCO-Amodal val",), "amodal")
        assert main(["table", "5", f"Qwen3-VL-8B={base}", f"EGM-8B={egm}"]) == 0
        assert "Means are over what all have: COCO-Amodal val." in capsys.readouterr().out

    def test_table_10_says_on_which_splits_reasoning_is_worth_it(self, tmp_path, capsys):
        egm, direct = result(tmp_path, "a", "yyyn", ALL[:2]), result(tmp_path, "b", "ynnn", ALL[:1], reasoning=False)
        assert main(["table", "10", f"EGM-8B={egm}", f"EGM-8B w/o R={direct}"]) == 0
        worth = cells(capsys.readouterr().out, "EGM-8B: reasoning is worth, on 1 of 8 splits")
        assert worth[8].startswith("+50.0")

    def test_table_11_leaves_out_what_table_4_does(self, tmp_path, capsys):
        columns = (ALL[0], "gRefCOCO val")
        base, egm = result(tmp_path, "a", "nn", columns), result(tmp_path, "b", "yn", columns)
        assert main(["table", "11", f"base={base}", f"egm={egm}"]) == 0
        printed = capsys.readouterr().out
        assert cells(printed, "solved")[0] == "1" and "LEFT OUT: base has 'gRefCOCO val' (2 rows)" in printed
