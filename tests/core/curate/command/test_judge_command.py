"""The judge of `egm curate reason` over real HTTP: by one ledger and one budget with the teacher, and batch files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_reason_command import COUNT, file, run, said, server  # noqa: F401

from egm_core.curate import provenance
from egm_core.sample import read_samples

from paid_server import Paid, paid  # isort: skip (its folder is on the path by the import above)

JUDGE = "judge-2"
FAULTS = ("speaks_of_drawing", "holds_measures", "other_object", "wrong_place", "unfinished_or_foreign")


def judging(text: str, before: int) -> dict[str, Any]:
    """Condemn numbers 1 and 2, as the rules do, and 3; say nothing that can be read of number 4."""
    number = re.search(r'object: "mug number (\d)"', text)
    assert number
    if number[1] == "4":
        return {"text": "It is fine."}
    fault = {"1": "speaks_of_drawing", "2": "unfinished_or_foreign", "3": "wrong_place"}.get(number[1])
    verdict = {"why": f"Text {number[1]}."} | {name: name == fault for name in FAULTS}
    return {"text": json.dumps(verdict)}


@pytest.fixture
def judge() -> Iterator[Paid]:
    with paid() as made:
        made.name, made.script = JUDGE, judging
        made.usage = {"prompt_tokens": 900, "completion_tokens": 60}
        yield made


@pytest.fixture
def arguments(server: Paid, judge: Paid, file: Path, tmp_path: Path) -> list[Any]:  # noqa: F811
    server.script = said
    return ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, "--judge-url", judge.url,
            "--judge-model", JUDGE, "--retries", "0"]  # fmt: skip


PRICES = ["--price-in", "2", "--price-out", "8", "--judge-price-in", "3", "--judge-price-out", "4"]


def rates(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out.rates.json").read_text()))


def test_both_lines_are_counted_and_only_what_was_broken_is_asked_again(
    server: Paid,  # noqa: F811
    judge: Paid,
    arguments: list[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*arguments) == 0
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("05")
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.unjudged.jsonl")] == ["4"]
    assert rates(tmp_path)["caught"] == {"texts": 6, "by_rules": 0, "by_judge": 3, "no_verdict": 1}
    printed = capsys.readouterr().out
    assert "0 by the rules and 3 by the judge, of 6 texts" in printed and "without a verdict: 1" in printed
    (told, _) = (one.verdicts["judge"] for one in provenance.read(tmp_path / "out.provenance.jsonl"))
    assert told["terms"] == "terms unknown; none of its text is trained on"
    assert all(part["type"] == "text" for body in judge.bodies for part in body["messages"][0]["content"])
    assert {body["temperature"] for body in judge.bodies} == {0.2} and judge.answers == 6
    judge.script = lambda text, before: {"text": json.dumps({"why": "Well."} | dict.fromkeys(FAULTS, False))}
    assert run(*arguments) == 0
    assert (server.answers, judge.answers) == (COUNT, 7)
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("045")
    assert rates(tmp_path)["caught"]["no_verdict"] == 0


def test_a_server_s_trouble_is_no_verdict(judge: Paid, arguments: list[Any], tmp_path: Path) -> None:
    judge.script = lambda text, before: (400, {}) if "number 5" in text else judging(text, before)
    assert run(*arguments) == 0
    assert rates(tmp_path)["caught"] == {"texts": 6, "by_rules": 0, "by_judge": 3, "no_verdict": 2}
    judge.script = judging
    assert run(*arguments) == 0
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("05")


def test_a_dry_run_counts_texts_that_are_not_written_yet(
    server: Paid,  # noqa: F811
    judge: Paid,
    arguments: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*arguments, *PRICES, "--dry-run") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("6 of 6 questions to ask of teacher-1", f"6 of 6 questions to ask of {JUDGE}", "$2 in", "$3 in"):
        assert words in printed, printed
    assert not server.answers and not judge.answers
    assert run(*arguments, *PRICES, "--no-budget") == 0
    capsys.readouterr()
    assert run(*arguments, *PRICES, "--dry-run") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "0 of 6 questions to ask of teacher-1" in printed, "what is known is followed"
    assert f"1 of 7 questions to ask of {JUDGE}" in printed, "and what was broken is asked again"


def test_at_most_counts_the_texts_that_are_written_anew(
    server: Paid,  # noqa: F811
    judge: Paid,
    arguments: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    most = {}
    for name, more in {"once": ("0",), "strict": ("1", "--strict-rules"), "anew": ("1",)}.items():
        assert run(*arguments, *PRICES, "--dry-run", "--retries", *more) == 0
        printed = capsys.readouterr().out.partition("the judge's part")[2]
        found = re.search(r"dollars .* ([\d.,]+) at most", printed)
        assert found and ("2 texts of each sample" in printed) == (name == "anew")
        most[name] = float(found[1].replace(",", ""))
    assert most["strict"] == pytest.approx(2 * most["once"], abs=0.02)
    assert most["anew"] == pytest.approx(4 * most["once"], abs=0.04)


def test_one_budget_holds_both(
    server: Paid,  # noqa: F811
    judge: Paid,
    arguments: list[Any],
    tmp_path: Path,
) -> None:
    dear = ["--price-in", "1", "--price-out", "1", "--judge-price-in", "100", "--judge-price-out", "100"]
    # Room for the teacher's questions, and for none of the judge's.
    assert run(*arguments, *dear, "--budget-usd", "0.4", "--concurrency", "1") == 1
    assert not (tmp_path / "out.jsonl").exists()
    assert run(*arguments, *dear, "--budget-usd", "0.4", "--concurrency", "1", "--partial") == 1
    assert (server.answers, judge.answers) == (COUNT, 0)
    assert rates(tmp_path)["caught"] == {"texts": 6, "by_rules": 0, "by_judge": 0, "no_verdict": 6}
    assert len(list(read_samples(tmp_path / "out.unjudged.jsonl"))) == 6
    assert run(*arguments, *dear, "--budget-usd", "50") == 0
    assert rates(tmp_path)["kept"] == 2 and server.answers == COUNT
    assert rates(tmp_path)["money"]["ledger_usd"] == pytest.approx(server.dollars(1, 1) + judge.dollars(100, 100))


def results(folder: Path, script: Any) -> str:
    made = []
    for path in sorted(folder.iterdir()):
        for row in map(json.loads, path.read_text().splitlines()):
            text = row["body"]["messages"][-1]["content"][-1]["text"]
            choice = {"message": {"content": script(text, 0)["text"]}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 300, "completion_tokens": 60}
            body = {"model": row["body"]["model"], "choices": [choice], "usage": usage}
            made.append({"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}, "error": None})
    out = folder.with_suffix(".jsonl")
    out.write_text("".join(json.dumps(one) + "\n" for one in made))
    return str(out)


def test_batch_files_take_a_round_for_each_model(
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-model", "teacher-1", "--judge-model", JUDGE,
             "--no-budget"]  # fmt: skip
    given: list[str] = []
    well = {"text": json.dumps({"why": "Well."} | dict.fromkeys(FAULTS, False))}
    for number, (script, rows) in enumerate([(said, 6), (judging, 6), (lambda text, before: well, 1)]):
        folder = tmp_path / f"batch{number}"
        if number == 2:
            # The broken verdict of this round waits for the next one.
            assert run(*asked, *given) == 0
            assert rates(tmp_path)["caught"]["no_verdict"] == 1
            assert run(*asked, *given) == 0, "the same files again change nothing"
            given = []
        with pytest.raises(SystemExit, match="0"):
            run(*asked, *(["--batch-in", *given] if given and number < 2 else []), "--batch-out", folder)
        made = results(folder, script)
        assert len(Path(made).read_text().splitlines()) == rows
        given = [made] if number == 0 else ["--batch-in", made]
    assert run(*asked, *given) == 0
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("045")


def both(text: str, before: int) -> dict[str, Any]:
    """Reason, and judge where that is asked."""
    return (judging if text.startswith("You check texts") else said)(text, before)


def test_the_teacher_s_own_model_judges_unless_told_otherwise(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.script = both
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, "--teacher-terms", "MIT",
             "--retries", "0", "--price-in", "2", "--price-out", "8", "--no-budget"]  # fmt: skip
    assert run(*asked, "--dry-run") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("reasoning: 6 of 6 questions to ask of teacher-1", "reasoning, the judge's part: 6 of 6 questions"):
        assert words in printed, printed
    assert run(*asked, "--dry-run", "--no-judge") == 0
    assert "the judge's part" not in capsys.readouterr().out
    assert run(*asked) == 0
    assert rates(tmp_path)["caught"] == {"texts": 6, "by_rules": 0, "by_judge": 3, "no_verdict": 1}
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("05")
    (told, _) = (one.verdicts["judge"] for one in provenance.read(tmp_path / "out.provenance.jsonl"))
    assert told["terms"] == "MIT; none of its text is trained on"
    assert server.answers == COUNT + 6 and {body["temperature"] for body in server.bodies} == {0.7}
    assert run(*asked, "--no-judge") == 0
    assert server.answers == COUNT + 6 and [one.sent[-1] for one in read_samples(tmp_path / "out.jsonl")] == list(
        "0345"
    )
    assert run(*asked, "--judge-temperature", "0", "--judge-max-tokens", "90") == 0
    last = server.bodies[-1]
    assert (server.answers, last["temperature"], last["max_tokens"]) == (COUNT + 12, 0, 90)


def test_strict_rules_reject_what_they_suspect_and_the_judge_reads_the_rest(
    server: Paid,  # noqa: F811
    judge: Paid,
    arguments: list[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge.script = lambda text, before: {"text": json.dumps({"why": "Well."} | dict.fromkeys(FAULTS, False))}
    assert run(*arguments, "--strict-rules") == 0
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("0345") and judge.answers == 4
    assert rates(tmp_path)["caught"]["by_rules"] == 2 and rates(tmp_path)["judge"]["strict_rules"] is True
    assert "suspected" not in capsys.readouterr().out
    assert run(*arguments) == 0
    assert [sample.sent[-1] for sample in read_samples(tmp_path / "out.jsonl")] == list("012345")
    assert "suspected by the rules: 2 texts; the judge freed 2 of them and condemned 0" in capsys.readouterr().out
    assert (server.answers, judge.answers) == (COUNT, 6)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--judge-price-in", "3"], "--judge-price-in is about a judge of its own; name it with --judge-model"),
        (["--no-judge", "--judge-terms", "MIT"], "--no-judge: --judge-terms is about a judge; leave one of both away"),
        (["--no-judge", "--strict-rules"], "--no-judge: --strict-rules is about a judge; leave one of both away"),
        (["--no-judge", "--judge-model", "m"], "--no-judge: --judge-model is about a judge; leave one of both away"),
    ],
)
def test_what_is_said_of_no_judge_is_refused(
    given: list[str],
    words: str,
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, *given)
    assert words in capsys.readouterr().err
