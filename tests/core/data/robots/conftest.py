"""What the tests of robots' recordings share: the commands run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from egm_core.command.data import main
from egm_core.data.questions import read_questions
from egm_core.data.readers.robots.question import Question


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[Question]]:
    """Write recordings as questions in this process and give them; what was said stands in `said`."""

    def run(kind: str, *arguments: object) -> list[Question]:
        out = tmp_path / "out" / "questions.jsonl"
        status = main(["questions", kind, *map(str, arguments), "--out", str(out)])
        captured = capsys.readouterr()
        run.said = captured.out + captured.err  # type: ignore[attr-defined]
        assert status == 0, run.said  # type: ignore[attr-defined]
        return list(read_questions(out))

    return run


@pytest.fixture
def wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Ask for questions of files that can't be used, and give what is said; no file may be left."""

    def run(kind: str, *arguments: object) -> str:
        out = tmp_path / "out" / "questions.jsonl"
        assert main(["questions", kind, *map(str, arguments), "--out", str(out)]) == 2
        assert not list(out.parent.glob("*"))
        return capsys.readouterr().err

    return run
