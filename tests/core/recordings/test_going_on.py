"""A grounding that was cut off: no broken file is left, and the same command asks what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kept_bags import MUG, ROOT, asks, misbehaving, on, read, rows, write

from egm_core.command.entry import main

BOX = (20.0, 85.0, 70.0, 125.0)


@pytest.mark.parametrize(("way", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_the_same_command_goes_on_after_a_kill(
    tmp_path: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str], way: signal.Signals, status: int
) -> None:
    bag, out = write(tmp_path / "bag", rows(range(12))), tmp_path / "out.mcap"
    words = ["ground", "--bag", str(bag), "--out", str(out), MUG, "--every", "1", *asks(server, BOX)]
    server.pause = 0.3
    process = subprocess.Popen(
        [sys.executable, "-m", "egm_core", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell makes what it starts in the background ignore Ctrl-C, the tests too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    answers = tmp_path / "out.mcap.answers.jsonl"
    until = time.monotonic() + 60
    while not (answers.exists() and answers.read_text().count("\n") >= 5):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, way)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert not out.exists()
    kept = answers.read_text().count("\n") - 1
    assert 4 <= kept < 12
    # As a kill in the middle of a line leaves it.
    with answers.open("a") as file:
        file.write('{"key": ["/camera/ima')

    server.pause = 0.0
    server.bodies.clear()
    assert main(words) == 0
    assert len(server.bodies) == 12 - kept
    assert f"has {kept} answers of this very call" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "out.mcap"]
    assert len(on(read(out)[1], "/grounding/visible")) == 12


def test_a_kill_while_the_file_is_written_leaves_none_under_its_name(
    tmp_path: Path, server: misbehaving.Server
) -> None:
    bag, out = write(tmp_path / "bag", rows([*range(50)] * 8)), tmp_path / "out.mcap"
    words = ["ground", "--bag", str(bag), "--out", str(out), MUG, *asks(server, BOX)]
    process = subprocess.Popen(
        [sys.executable, "-m", "egm_core", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell makes what it starts in the background ignore Ctrl-C, the tests too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    part, until = tmp_path / "out.mcap.part", time.monotonic() + 90
    while not (part.exists() and part.stat().st_size > 1_000_000):
        assert time.monotonic() < until and process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)
    process.kill()
    process.communicate(timeout=60)
    assert part.exists() and not out.exists()
    server.bodies.clear()
    assert main(words) == 0
    assert not server.bodies, "all was answered before"
    assert not part.exists() and len(on(read(out)[1], "/camera/image_raw")) == 400


def test_answers_of_another_call_are_no_use(
    tmp_path: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = write(tmp_path / "bag", rows(range(6))), tmp_path / "out.mcap"
    (tmp_path / "out.mcap.answers.jsonl").write_text('{"asked": {"recording": "another"}}\n')
    assert main(["ground", "--bag", str(bag), "--out", str(out), MUG, *asks(server, BOX)]) == 0
    assert "was of another call (recording, " in capsys.readouterr().err
    (tmp_path / "out.mcap.answers.jsonl").write_text("my diary\n")
    assert main(["ground", "--bag", str(bag), "--out", str(out), MUG, "--force", *asks(server, BOX)]) == 2
    assert (tmp_path / "out.mcap.answers.jsonl").read_text() == "my diary\n"


def test_an_engine_that_answers_nothing_ends_the_call_and_keeps_what_it_answered(
    tmp_path: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = write(tmp_path / "bag", rows(range(30))), tmp_path / "out.mcap"
    words = ["ground", "--bag", str(bag), "--out", str(out), MUG, "--every", "1", "--engine-url", server.url]
    words += ["--engine-model", "status:503", "--family", "qwen3_vl", "--dialect", "openai", "--timeout", "1"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "8 questions in a row got no answer" in said and "goes on from there" in said
    assert not out.exists()
