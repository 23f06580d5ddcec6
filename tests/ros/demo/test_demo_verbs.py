"""`egm demo` and `egm record`: offered where ROS is, with the help of every verb and the real thing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHORT = ("--worlds", "tabletop", "--instructions", "1")

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def egm(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "egm_core", *words]
    environment = {**os.environ, "COLUMNS": "110"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170)


@pytest.mark.parametrize("verb", ["demo", "record"])
def test_it_is_offered_with_help_and_an_example(verb: str) -> None:
    assert f"\n  {verb} " in egm("--help").stdout
    done = egm(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "(default: tabletop street)" in done.stdout and f"example:\n  egm {verb} --out " in done.stdout


def test_a_number_out_of_range_is_refused_in_one_line() -> None:
    done = egm("demo", "--instructions", "0")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("egm demo: argument --instructions: '0' must be")


@pytest.mark.long
def test_demo_leaves_its_pictures(tmp_path: Path, domain: int) -> None:
    done = egm("demo", "--out", str(tmp_path), *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answers," in done.stdout and (tmp_path / "demo.png").stat().st_size > 10_000


@pytest.mark.long
def test_record_leaves_a_recording(tmp_path: Path, domain: int) -> None:
    done = egm("record", "--out", str(tmp_path), "--seconds", "1", *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "tabletop.mcap").stat().st_size > 10_000
