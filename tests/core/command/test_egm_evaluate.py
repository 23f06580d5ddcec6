"""`egm evaluate` with the embedded model: tables on stdout, one record per answer in a file."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import egm


def test_it_asks_and_compares(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    asked = ("--scenes", "2", "--queries-per-scene", "1", "--threads", "1")
    done = egm("evaluate", "scenes", *asked, "--json", str(result))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("egm_tiny ") and "2 scenes from seed 500000000" in done.stdout
    assert "|" not in done.stderr, "a bar, where there is no terminal"
    assert json.loads(result.read_text())["scenes"] == 2
    same = egm("evaluate", "compare", str(result), str(result))
    assert same.returncode == 0 and "+0.0 points" in same.stdout


def test_a_result_that_is_not_there_is_named() -> None:
    done = egm("evaluate", "compare", "nowhere.json", "nowhere.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("egm evaluate compare: ") and "nowhere.json" in done.stderr
