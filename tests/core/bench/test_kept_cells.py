"""Figures that a bench goes on from: read as they were written, and refused by name where somebody damaged them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egm_core.bench.cells import Bench, Cell, read
from egm_core.bench.floor import Floor
from egm_core.bench.spread import Spread
from egm_core.bench.timing import Timed

TIMES = Spread(1.0, 2.0, 3.0, 4.0)
CELL = Cell("vllm", "m", "64x64", 2, 4, 1, "a", 9, 3.0, 0.5, TIMES, None, TIMES, Floor(1.0, 2.0, 3.0), 5.0,
            {"gpu": 2.0}, 1.5, (1.0, 2.0))  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "bench.json"
    bench = Bench({"model": "m"}, {"version": "1"}, [CELL, Cell("egm", "m", "64x64", 1, wrong="no room")])
    bench.write(path)
    return path


def test_what_was_written_is_read(file: Path) -> None:
    measured = Cell.of([Timed(0.1, 0.1, 0.2, 3, "stop")], 1.0, engine="x", model="m", size="64x64", at_once=1)
    bench = read(file)
    assert bench.cells == [CELL, Cell("egm", "m", "64x64", 1, wrong="no room")] and bench.settings == {"model": "m"}
    bench.take(measured)
    bench.write(file)
    assert read(file).cells[-1] == measured


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("engine", 7, "engine is 7"),
        ("at_once", "2", "at_once is '2'"),
        ("a_second", None, "a_second is None"),
        ("bunched", "much", "bunched is 'much'"),
        ("failed", True, "failed is True"),
        ("joules", [1], "joules is [1]"),
        ("joules", {"gpu": "2"}, "joules is '2'"),
        ("answer_ms", [None], "answer_ms is None"),
        ("total", {"mean": 1, "median": "x", "p95": 1, "p99": 1}, "total's median is 'x'"),
        ("floor", {"first": 1, "token": None, "total": 1}, "floor's token is None"),
    ],
)
def test_a_damaged_cell_is_named(file: Path, key: str, value: Any, words: str) -> None:
    data = json.loads(file.read_text())
    data["cells"][0][key] = value
    file.write_text(json.dumps(data))
    with pytest.raises(ValueError) as caught:
        read(file)
    assert f"{file} was not written by egm bench --json ({words})" in str(caught.value)


@pytest.mark.parametrize("text", [pytest.param("[" * 100_000, id="deep"), '{"of": "bench", "format": 1, "cells": {}}'])
def test_a_file_of_something_else_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match="was not written by egm bench --json"):
        read(file)
