"""`egm curate amodal-train` killed by SIGKILL in each of its steps, and run again: nothing twice, nothing lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from scripted_teacher import Teacher
from test_set_commands import teacher, training  # noqa: F401

from egm_core.curate.__main__ import main
from egm_core.sample import read_samples

UNDER_WAY = 2


def answered(folder: Path) -> int:
    if not (folder / "answers.sqlite").exists():
        return 0
    with closing(sqlite3.connect(folder / "answers.sqlite")) as base:
        return int(base.execute("SELECT count(*) FROM jobs WHERE state = 'answered'").fetchone()[0])


def killed(command: list[str], at: Callable[[], bool]) -> None:
    process = subprocess.Popen([sys.executable, "-m", "egm_core.curate", *command], stdout=subprocess.DEVNULL)
    while not at():
        assert process.poll() is None, "it was done before its kill"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.long
def test_a_kill_in_each_step_asks_nothing_twice_and_loses_nothing(
    tmp_path: Path,
    teacher: Teacher,  # noqa: F811
    training: list[str],  # noqa: F811
) -> None:
    teacher.seconds = 0.3
    folder = tmp_path / "set"
    command = [*training, "--concurrency", str(UNDER_WAY)]
    killed(command, folder.exists)
    assert not teacher.asked, "the step of the objects asks nobody"
    again = 0
    for kind in ("express", "verify", "reason", "judge"):
        killed(command, lambda kind=kind: teacher.asked[kind] >= 3)  # type: ignore[misc]
        # What the dead command had sent has come by now.
        time.sleep(2 * teacher.seconds)
        lost = sum(teacher.asked.values()) - answered(folder) - again
        assert 0 <= lost <= UNDER_WAY
        again += lost
    teacher.seconds = 0.0
    assert main(command) == 0
    assert sum(teacher.asked.values()) == 21 + again, "only what was under way at a kill is asked again"
    assert answered(folder) == 21
    assert len(list(read_samples(folder / "reasoned.jsonl"))) == 6
    for step in ("expressed", "verified", "reasoned"):
        assert not (folder / f"{step}.failures.jsonl").read_text()
