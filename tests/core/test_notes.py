"""What commands say beside their results: by level, on stderr, above bars, and never past logging."""

from __future__ import annotations

import argparse
import ast
import logging
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from egm_core import notes

ROOT = Path(__file__).resolve().parents[2]
# Who may print: verbs and stages their results, and what ends or starts a process before logging is there.
PRINTERS = {
    "console.py",
    # What a dry run would cost, and what batch files hold: the results of every verb that asks a teacher.
    "curate/teacher/ask.py",
    "curate/teacher/batch.py",
    "notes.py",
    "supervise/guard.py",
    "train/rl/verl/launch.py",
    "train/run/curves.py",
    "train/select/stage.py",
}
PROGRAM = """
import logging, sys
from egm_core import notes
import argparse
parser = argparse.ArgumentParser()
notes.add_options(parser)
notes.speak(notes.loudness(parser.parse_args()), "tool: ")
for level in ("debug", "info", "warning", "error"):
    getattr(logging.getLogger("egm.part"), level)("a %s", level)
"""


def said(*options: str, program: str = PROGRAM) -> list[str]:
    command = [sys.executable, "-c", program, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ((), ["a info", "a warning", "tool: a error"]),
        (("-v",), ["a debug", "a info", "a warning", "tool: a error"]),
        (("-q",), ["a warning", "tool: a error"]),
        (("-qq",), ["tool: a error"]),
        (("-qqqq",), ["tool: a error"]),
        (("-vvv", "-q"), ["a debug", "a info", "a warning", "tool: a error"]),
    ],
)
def test_each_v_says_more_and_each_q_less(options: tuple[str, ...], lines: list[str]) -> None:
    assert said(*options) == lines


def test_the_last_command_of_a_process_sets_the_tone() -> None:
    again = PROGRAM + "\nnotes.speak(logging.ERROR, 'other: ')\nlogging.getLogger('egm.part').error('once')\n"
    assert said(program=again)[-1:] == ["other: once"] and said(program=again).count("tool: once") == 0


def test_where_no_command_runs_warnings_are_still_said() -> None:
    program = "import logging; from egm_core import notes; logging.getLogger('egm.part').warning('careful')"
    assert said(program=program) == ["careful"]


def test_without_stderr_nothing_is_said_on_stdout() -> None:
    program = PROGRAM.replace("for level", "sys.stderr = None\nfor level")
    assert said(program=program) == []


def test_loudness_stays_within_the_levels() -> None:
    for verbose, quiet, level in [(0, 0, 20), (9, 0, 10), (0, 9, 40), (1, 1, 20)]:
        assert notes.loudness(argparse.Namespace(verbose=verbose, quiet=quiet)) == level
    assert notes.LOG is logging.getLogger("egm")


def test_the_core_prints_results_only() -> None:
    found = []
    for path in sorted((ROOT / "egm_core").rglob("*.py")):
        name = path.relative_to(ROOT / "egm_core").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                to_stderr = any(word.arg == "file" for word in node.keywords)
                allowed = name in PRINTERS or (name.startswith("command/") and not to_stderr)
                found += [] if allowed else [f"{name}:{node.lineno}"]
    assert not found, "notes go to logging.getLogger('egm....'), results are printed by the verb"


def on_a_terminal(*words: str) -> str:
    """Run a command whose stderr is a terminal; gives what stood there."""
    mine, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=its)
    os.close(its)
    seen = b""
    while True:
        try:
            part = os.read(mine, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(mine)
    assert process.wait(60) == 0
    return seen.decode()


def test_bars_are_drawn_on_a_terminal(tmp_path: Path) -> None:
    out = tmp_path / "out"
    rendered = on_a_terminal("-m", "egm_core", "scenes", "render", "--out", str(out), "--scenes", "1")
    assert "rendering: 100%" in rendered and "1/1" in rendered
    shown = on_a_terminal("-m", "egm_core", "scenes", "show", "--out", str(tmp_path / "x.png"), "--scenes", "1")
    assert "rendering: 100%" in shown


def test_transformers_draws_its_bars_for_large_models_on_terminals_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    from egm_core.engines import checkpoint

    (tmp_path / "model.safetensors").write_bytes(b"0" * 100)
    for large, terminal, drawn in [(10, True, True), (10, False, False), (1000, True, False)]:
        monkeypatch.setattr(checkpoint, "LARGE_BYTES", large)
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        checkpoint.show_bars(tmp_path)
        assert transformers.logging.is_progress_bar_enabled() is drawn
    transformers.logging.disable_progress_bar()
