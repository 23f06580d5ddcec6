"""The bench of deadlines: its shares, its table, and that it goes on from what is in its file."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location(
    "bench_deadline", Path(__file__).resolve().parents[1] / "tools" / "bench_deadline.py"
)
assert SPEC and SPEC.loader
bench: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(bench)


def answer(ms: float, missed: bool = False, thought: str = "no", right: bool = True) -> dict[str, Any]:
    return {"ms": ms, "missed": missed, "thought": thought, "visible": right, "amodal": right}


def test_a_box_is_right_by_half_or_where_both_are_none():
    assert bench.right((0, 0, 10, 10), (0, 0, 10, 5)) and bench.right(None, None)
    assert not bench.right((0, 0, 10, 10), (0, 0, 10, 4))
    assert not bench.right(None, (0, 0, 10, 10)) and not bench.right((0, 0, 10, 10), None)


def test_an_interval_holds_for_none_and_for_all():
    assert bench.wilson(0, 300) == pytest.approx((0.0, 0.0126), abs=2e-4)
    assert bench.wilson(300, 300) == pytest.approx((0.9874, 1.0), abs=2e-4)
    assert bench.wilson(10, 100) == pytest.approx((0.0552, 0.1744), abs=2e-4)


def test_the_table_counts_misses_of_deadlines_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = [
        {
            "seed": seed,
            "text": "the mug",
            "ways": {
                "never": answer(100.0 + seed),
                "always": answer(900.0, thought="yes"),
                "2 s": answer(2100.0 if seed == 3 else 500.0, seed == 3, "late" if seed == 3 else "yes", seed != 3),
            },
        }
        for seed in range(4)
    ]
    file = tmp_path / "deadline.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert bench.main([str(file), "--scenes", "0"]) == 0
    never, always, two = capsys.readouterr().out.splitlines()[2:]
    assert never.startswith("| never |  | 0, 0 | 102, 103, 103 |") and always.startswith("| always |  | 100, 0 |")
    assert two.startswith("| 2 s | 25.0 (4.6 to 69.9) | 75, 25 | 500, 2100, 2100 | 900 | 75.0 (")
    assert "75.0 (no interval: 4)" in two and "nan" not in two


def test_nothing_to_tell_is_refused(tmp_path: Path):
    with pytest.raises(SystemExit):
        bench.main([str(tmp_path / "none.jsonl"), "--scenes", "0"])
