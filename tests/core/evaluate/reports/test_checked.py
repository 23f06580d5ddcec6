"""Stored results that were mended by hand: what is no result is said in one line, with the record and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_field_tables import result

from egm_core.evaluate.__main__ import main

ALL = ("RefCOCO val",)
COMMANDS = (
    ["theirs", "{0}", "--rule", "ref-l4"], ["compare", "{0}", "{1}"], ["table", "4", "EGM-8B={0}"], ["latency", "{0}"],
    ["report", "{0}", "--out", "{2}/r.html"],
)  # fmt: skip


def told(tmp_path: Path, words: list[str], capsys: Any, about: Any = None, **change: Any) -> str:
    """Run a command on a result that was changed in its first row, or as a whole; gives the line that refuses it."""
    good, bad = result(tmp_path, "good", "yn", ALL), result(tmp_path, "bad", "yn", ALL)
    stored = json.loads(bad.read_text())
    stored["rows"][0] |= change
    bad.write_text(json.dumps(about(stored) if about else stored))
    assert main([word.format(bad, good, tmp_path) for word in words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and str(bad) in lines[0] and "is no result of `egm evaluate" in lines[0]
    return lines[0]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iou", "0.9"), ("iou", float("nan")), ("iou", -1), ("iou", 1e30), ("kinds", "plain"), ("kinds", [3]),
        ("correct", "False"), ("outcome", "lost"), ("seed", float("inf")), ("seed", 10**400), ("box", [1, 2]),
        ("truth", "no"), ("text", None), ("column", 4), ("seconds", -1), ("thinking", "many"), ("width", "wide"),
    ],
)  # fmt: skip
def test_a_field_that_holds_what_none_can_is_named(tmp_path, words, name, value, capsys):
    assert f"row 1: {name} is " in told(tmp_path, words, capsys, **{name: value})


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_result_that_contradicts_itself_is_not_believed(tmp_path, words, capsys):
    assert "correct is False, and iou 0.95" in told(tmp_path, words, capsys, iou=0.95, correct=False)
    assert "correct is True, and iou 0.5:" in told(tmp_path, words, capsys, iou=0.5)
    absent = {"truth": None, "iou": None, "box": None}
    assert "of an object that is absent" in told(tmp_path, words, capsys, **absent, outcome="absent", correct=False)
    assert "outcome 'failed'" in told(tmp_path, words, capsys, iou=None, outcome="failed")


@pytest.mark.parametrize(
    ("about", "what"),
    [
        (lambda stored: [], "no object"),
        (lambda stored: {**stored, "rows": None}, "rows is None"),
        (lambda stored: {**stored, "rows": [3]}, "row 1: a record is 3"),
        (lambda stored: {**stored, "splits": [1]}, "splits is [1]"),
        (lambda stored: {**stored, "strict": "yes"}, "strict is 'yes'"),
        (lambda stored: {k: v for k, v in stored.items() if k != "rows"}, "rows is missing"),
    ],
)
def test_what_a_result_tells_of_itself_is_looked_at_too(tmp_path, about, what, capsys):
    for words in COMMANDS:
        assert what in told(tmp_path, words, capsys, about)


def test_what_a_file_leaves_out_is_not_needed(tmp_path, capsys):
    one, two = (result(tmp_path, name, "yn", ALL) for name in "ab")
    for path in (one, two):
        stored = json.loads(path.read_text())
        for row in stored["rows"]:
            row["kinds"] = None
        left = {k: v for k, v in stored.items() if k not in ("asked", "machine")} | {"splits": None}
        path.write_text(json.dumps(left))
    assert main(["compare", str(one), str(two)]) == 0
    assert "visible plain" in capsys.readouterr().out
    assert main(["latency", str(one)]) == 0
    assert "not told" in capsys.readouterr().out
    assert main(["table", "4", f"a={one}"]) == 0
