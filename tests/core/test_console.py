"""Commands end quietly where their reader has seen enough, and on Ctrl-C; with real pipes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from egm_core.console import attempt

ROOT = Path(__file__).resolve().parents[2]
HELPED = ["ground", "serve", "scenes", "evaluate", "train", "train.run.curves"]


def into_a_closed_pipe(*command: str, both: bool = False) -> tuple[int, str]:
    """Run a command whose output nobody reads; gives its status, and what it said on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=writer, stderr=writer if both else subprocess.PIPE, text=True
    )
    os.close(writer)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said or ""


@pytest.mark.parametrize("module", HELPED)
def test_help_into_a_closed_pipe_is_no_traceback(module: str) -> None:
    status, said = into_a_closed_pipe("-m", f"egm_core.{module}", "--help")
    # argparse itself overlooks a closed pipe where Python does not buffer.
    assert (status in (0, 141), said) == (True, "")


def test_a_plan_into_a_closed_pipe_is_no_error_of_the_run() -> None:
    command = ("-m", "egm_core.train", "plan", "--config", "training/qwen3_vl/2b_visible_sft.yaml")
    status, said = into_a_closed_pipe(*command)
    assert (status, "error" in said) == (141, False)


def test_an_answer_into_a_closed_pipe_is_no_traceback() -> None:
    command = ("-m", "egm_core.ground", "egm_ros/clips/tabletop/000.jpg", "the red mug", "--visible-only")
    status, said = into_a_closed_pipe(*command)
    assert (status, "Traceback" in said, "BrokenPipe" in said) == (141, False, False)


def test_errors_into_a_closed_pipe_end_the_command() -> None:
    assert into_a_closed_pipe("-m", "egm_core.ground", "missing.jpg", "the red mug", both=True)[0] == 141


def test_ctrl_c_is_said_in_a_word() -> None:
    # A test run in the background has SIGINT ignored, and its children with it.
    program = "import signal, time; from egm_core.console import finish\n"
    program += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "def main():\n    print('up', flush=True)\n    time.sleep(30)\nraise SystemExit(finish(main))"
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == "interrupted\n"
    assert process.returncode == 130


def test_a_commands_own_status_is_kept() -> None:
    for status in (0, 1, 2):
        program = f"from egm_core.console import finish; raise SystemExit(finish(lambda: {status}))"
        assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == status


def test_an_error_of_the_system_is_said_without_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert attempt(lambda: len((tmp_path / "none.txt").read_text())) == 2
    assert attempt(lambda: len(tmp_path.read_text())) == 2
    assert "Errno" not in caplog.text
    assert f"{tmp_path / 'none.txt'}: no such file or folder; look at how it is written" in caplog.text
    assert f"{tmp_path}: that is a folder; name a file in it" in caplog.text
