"""`egm scenes`: renders, draws and exports, and says what it did."""

from __future__ import annotations

from pathlib import Path

from command_line import egm

from egm_core.sample import read_samples


def test_it_exports_samples_and_says_where(tmp_path: Path) -> None:
    done = egm("scenes", "export", "--out", str(tmp_path), "--scenes", "1", "--per-scene", "2")
    assert done.returncode == 0, done.stderr
    samples = list(read_samples(tmp_path / "samples.jsonl"))
    assert done.stdout == f"{len(samples)} samples written to {tmp_path / 'samples.jsonl'}\n"
    assert len(samples) >= 2


def test_bars_are_for_terminals_only(tmp_path: Path) -> None:
    done = egm("scenes", "render", "--out", str(tmp_path), "--scenes", "2", "--world", "tabletop")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"2 scenes rendered into {tmp_path}\n", "")


def test_an_idle_option_is_refused() -> None:
    done = egm("scenes", "show", "--out", "x.png", "--fps", "9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("egm scenes show: --fps is about a clip")
