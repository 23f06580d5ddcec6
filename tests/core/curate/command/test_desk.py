"""What commands say of money, models and terms: before they ask, and afterwards."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "teacher"))
from paid_server import Paid
from test_reason_command import COUNT, file, run, said, server  # noqa: F401

from egm_core.curate.teacher.named import strangers
from egm_core.sample.whole import written

PRICES = ["--price-in", "1000", "--price-out", "1000", "--budget-usd", "100"]
ONCE = ["--retries", "0", "--no-judge"]


def text_of(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_dry_run_knows_the_ledger_and_what_is_still_to_be_asked_anew(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.script = said
    out = tmp_path / "out.jsonl"
    asked = ["reason", file, "--out", out, "--teacher-url", server.url, *PRICES, "--no-judge"]
    assert run(*asked, "--dry-run") == 0
    printed = text_of(capsys)
    assert f"reasoning: {COUNT} of {COUNT} questions to ask of teacher-1 tokens" in printed, "no ledger has others"
    assert "--retries 1" in printed and "the terms of the texts of teacher-1 are not known here" in printed
    assert not server.answers and not out.exists() and not (tmp_path / "answers.sqlite").exists()
    once = next(line for line in printed.split("tokens") if "dollars" in line)
    assert run(*asked, "--dry-run", "--retries", "0") == 0
    assert once not in capsys.readouterr().out, "what may be asked anew counts"
    assert run(*asked, "--retries", "0") == 0
    assert server.answers == COUNT
    capsys.readouterr()
    assert run(*asked, "--dry-run", "--retries", "0") == 0
    assert f"0 of {COUNT} questions to ask of teacher-1, the others have their answers in" in text_of(capsys)
    assert run(*asked, "--dry-run") == 0
    assert f"2 of {COUNT + 2} questions to ask" in text_of(capsys), "a leak and a refusal"
    assert run(*asked) == 0 and server.answers == COUNT + 2


def test_dollars_are_printed_and_among_the_rates(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.script = said
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, *PRICES, *ONCE]
    for run_usd, requests in ((COUNT * 0.12, COUNT), (0.0, 0)):
        assert run(*asked) == 0
        words = f"asked {requests} times for ${run_usd:.4f}; ${COUNT * 0.12:.4f} is spent in"
        assert words in text_of(capsys)
        money = json.loads((tmp_path / "out.rates.json").read_text())["money"]
        assert money == {"run_usd": pytest.approx(run_usd), "ledger_usd": pytest.approx(COUNT * 0.12),
                         "requests": requests, "unsent": 0}  # fmt: skip


def test_another_model_than_the_one_asked_is_said(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.script, server.name = said, "gpt-4.1"
    assert run("reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, *ONCE) == 0
    err = capsys.readouterr().err
    assert f"gpt-4.1 was asked, and {COUNT} of {COUNT} answers name another model: teacher-1-0825 ({COUNT})" in err
    assert json.loads((tmp_path / "out.rates.json").read_text())["answered_by"] == {"teacher-1-0825": COUNT - 2}


@pytest.mark.parametrize(
    ("asked", "told", "same"),
    [
        ("gpt-4.1", "gpt-4.1-2025-04-14", True),
        ("gpt-4.1-2025-04-14", "gpt-4.1", True),
        ("openai/gpt-4.1", "gpt-4.1", True),
        ("claude-sonnet-5", "claude-sonnet-5@20260901", True),
        ("/models/Qwen3-VL-8B/", "qwen3-vl-8b", True),
        ("gemini-2.5-pro", "models/gemini-2.5-pro-preview-05-06", True),
        ("gpt-4.1", "gpt-4.1-mini", False),
        ("gpt-4.1", "gpt-3.5-other", False),
        ("gpt-5", "gpt-5.1", False),
    ],
)
def test_a_name_with_a_date_is_the_same_model(asked: str, told: str, same: bool) -> None:
    assert strangers(asked, {told: 3}) == ({} if same else {told: 3})


@pytest.mark.parametrize("verb", ["reason", "express", "verify", "verify hits"])
def test_a_picture_that_is_missing_fails_alone(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    verb: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers: dict[str, Any] = {
        "reason": lambda text: said(text, 0),
        "express": lambda text: {"text": json.dumps({"expression": f"a mug {len(server.asked)} big", "object": "mug"})},
        "verify": lambda text: {"text": json.dumps({"why": "It is.", "accurate": True, "unique": True})},
        "verify hits": lambda text: {"text": '{"bbox_2d": [0, 0, 1, 1]}'},
    }
    server.script = lambda text, before: answers[verb](text)
    (tmp_path / "3.png").unlink()
    kind = {"verify hits": ["--kind", "hits", "--family", "qwen3_vl"], "reason": ["--no-judge"]}.get(verb, [])
    asked = [verb.split()[0], file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, *kind]
    assert run(*asked, "--retries", "0", "--dry-run") == 0
    capsys.readouterr()
    run(*asked, "--retries", "0")
    # Of a second model's question nothing is made where there is no image.
    requests, unsent = (2 * (COUNT - 1), 0) if verb == "verify hits" else (COUNT - 1, 1)
    printed = capsys.readouterr().out
    assert f"asked {requests} times for $" in printed
    assert ("; 1 could not be sent, for their images cannot be read" in printed) == bool(unsent)
    money = json.loads((tmp_path / "out.rates.json").read_text())["money"]
    assert (money["requests"], money["unsent"]) == (requests, unsent)
    failures = [json.loads(line) for line in (tmp_path / "out.failures.jsonl").read_text().splitlines()]
    missing = [one for one in failures if "3.png" in one["why"]]
    assert len(missing) == 1 and len(server.asked) == (COUNT - 1), missing


def test_leaks_and_results_of_batches_on_a_dry_run(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = tmp_path / "leaks.json"
    asked = ["leaks", "colour", file, "--teacher-url", server.url, "--json", figures, "--dry-run"]
    assert run(*asked) == 0
    assert f"colour: {2 * COUNT} of {2 * COUNT} questions" in text_of(capsys)
    assert not server.answers and not figures.exists()
    with pytest.raises(SystemExit, match="2"):
        run("reason", file, "--out", tmp_path / "x.jsonl", "--teacher-model", "m", "--dry-run", "--batch-in", file)
    assert "a dry run takes nothing in" in capsys.readouterr().err


def test_own_prices_that_lack_the_model_are_said(
    file: Path,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    prices = tmp_path / "prices.json"
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-model", "gpt-4.1", "--dry-run", "--no-judge"]
    for pattern, told in (("gpt-5*", True), ("gpt-4.1*", False)):
        caplog.clear()
        prices.write_text(json.dumps([{"models": pattern, "in": 1.0, "out": 2.0}]))
        assert run(*asked, "--prices", prices) == 0
        assert (f"{prices} has no price of gpt-4.1: that of vendors' lists" in caplog.text) is told


@pytest.mark.parametrize("verb", ["reason", "express", "verify"])
def test_outputs_of_one_run_are_put_in_place_together(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    verb: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers: dict[str, Any] = {
        "reason": lambda text: said(text, 0),
        "express": lambda text: {"text": json.dumps({"expression": "the mug on the table", "object": "mug"})},
        "verify": lambda text: {"text": json.dumps({"why": "It is.", "accurate": True, "unique": True})},
    }
    server.script = lambda text, before: answers[verb](text)
    names = [f"out.{name}" for name in ("jsonl", "provenance.jsonl", "failures.jsonl", "rates.json", "unjudged.jsonl",
                                        "disagreements.jsonl")]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("of before")
    asked = [verb, file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, "--retries", "0"]
    asked += ["--no-judge"] if verb == "reason" else []
    with written(tmp_path / "out.rates.json"):
        # Another command writes the file that comes last.
        assert run(*asked)
        assert "out.rates.json: another command is writing this file" in capsys.readouterr().err
        assert {(tmp_path / name).read_text() for name in names} == {"of before"}
    assert run(*asked) == 0
    kept = {name for name in names if (tmp_path / name).exists() and (tmp_path / name).read_text() == "of before"}
    own = {"reason": {"out.unjudged.jsonl"}, "verify": {"out.disagreements.jsonl"}}.get(verb, set())
    assert kept == {"out.unjudged.jsonl", "out.disagreements.jsonl"} - own
    assert not list(tmp_path.glob("*.part"))


def test_a_dry_run_adds_its_parts_up_and_says_whether_the_budget_is_enough(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prices = ["--price-in", "1000", "--price-out", "1000", "--dry-run"]
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, *prices]
    printed = {}
    for limit in ("0.01", "3", "100000"):
        assert run(*asked, "--budget-usd", limit) == 0
        printed[limit] = text_of(capsys)
    parts = [float(told.split()[1].replace(",", "")) for told in re.findall(r"dollars +[0-9.,]+ likely", printed["3"])]
    together = re.search(r"all of it together: \$([0-9.,]+) likely", printed["3"])
    assert len(parts) == 2 and together and float(together[1].replace(",", "")) == pytest.approx(sum(parts), abs=0.011)
    assert "is not enough for the likely sum" in printed["0.01"]
    assert "of which $0.00 is spent, is enough for the most" in printed["100000"]
