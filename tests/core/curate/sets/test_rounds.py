"""A set by batch files: a round for each step, and a row that is refused for ever stands in nobody's way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripted_teacher import MODEL, Teacher
from test_set_commands import teacher, training  # noqa: F401

from egm_core.curate.__main__ import main
from egm_core.sample import read_samples


def results(folder: Path, teacher: Teacher, refused: str = "") -> str:  # noqa: F811
    """Answer the rows of batch files as OpenAI does; what has a word in it is refused."""
    made = []
    for file in sorted(folder.iterdir()):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if refused and refused in line:
                response = {"status_code": 400, "body": {"error": {"message": "bad picture"}}}
            else:
                choice = {"message": {"content": teacher.answer(row["body"])}, "finish_reason": "stop"}
                usage = {"prompt_tokens": 900, "completion_tokens": 60}
                response = {"status_code": 200, "body": {"model": MODEL, "choices": [choice], "usage": usage}}
            made.append({"custom_id": row["custom_id"], "response": response, "error": None})
    out = folder.with_suffix(".jsonl")
    out.write_text("".join(json.dumps(one) + "\n" for one in made))
    return str(out)


def test_a_round_for_each_step(
    tmp_path: Path,
    teacher: Teacher,  # noqa: F811
    training: list[str],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    at = training.index("--teacher-url")
    asked = [*training[:at], "--teacher-model", MODEL, *training[at + 2 :], "--no-budget"]
    counts: list[Any] = []
    given: list[str] = []
    for number in (1, 2, 3, 4):
        folder = tmp_path / f"batch{number}"
        with pytest.raises(SystemExit, match="0"):
            main([*asked, *given, "--batch-out", str(folder), "--partial"])
        made = results(folder, teacher, refused="It is a cup" if number == 1 else "")
        counts.append(len(Path(made).read_text().splitlines()))
        if number == 1:
            capsys.readouterr()
            assert main([*asked, "--batch-in", made]) == 0, "the answers of a step are its own"
            printed = capsys.readouterr().out
            assert "none of its 4 questions is in the batch files" in printed and "4 of 4 did not pass" not in printed
            assert main([*asked, "--batch-in", made]) == 2, "the same files again bring nothing"
        given = ["--batch-in", made]
    capsys.readouterr()
    assert main([*asked, *given, "--partial"]) == 0
    assert "0 results taken in, 0 of them failures; 2 are of another step" in capsys.readouterr().out
    assert main([*asked, *given, "--partial"]) == 0
    assert "nothing of the files of --batch-in was read" in caplog.text
    assert counts == [6, 4, 4, 2] and len(list(read_samples(tmp_path / "set/reasoned.jsonl"))) == 4
