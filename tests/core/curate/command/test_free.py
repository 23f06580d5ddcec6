"""How a user says that nobody bills a model, and what a shared ledger says of one run."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from test_reason_command import COUNT, file, run, said, server  # noqa: F401

from egm_core.asking.job import Answer
from egm_core.asking.store import Store
from egm_core.curate.teacher.ask import ABOUT

from paid_server import Paid  # isort: skip (its folder is on the path by the import above)


@pytest.mark.parametrize("verb", ["reason", "leaks colour"])
def test_zero_prices_say_free_and_the_refusal_tells_that(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")  # the server may pass questions on to one that bills
    server.script = said
    asked = [*verb.split(), file, "--teacher-url", server.url, "--retries", "0"]
    asked += ["--out", tmp_path / "out.jsonl", "--no-judge"] if verb == "reason" else []
    for more in ([], ["--budget-usd", "1"]):
        with pytest.raises(SystemExit, match="2"):
            run(*asked, *more)
        told = capsys.readouterr().err
        assert "nobody bills it" in told and "--price-in and --price-out" in told
    assert run(*asked, "--price-in", "0", "--price-out", "0") == 0
    assert server.answers == COUNT * (1 if verb == "reason" else 2)


def test_the_second_model_is_told_by_its_own_options(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["verify", file, "--out", tmp_path / "out.jsonl", "--kind", "hits", "--second-url", server.url]
    with pytest.raises(SystemExit, match="2"):
        run(*asked, "--budget-usd", "1")
    assert "give --second-price-in and --second-price-out (0 and 0" in capsys.readouterr().err


@pytest.mark.parametrize(("verb", "name"), [("reason", "--judge-price-in"), ("verify", "--second-price-in")])
def test_help_says_how_a_model_is_free(verb: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(verb, "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "0 where nobody bills" in told.split(f"{name} X")[-1][:80]


def test_what_others_ask_by_the_same_ledger_is_not_of_this_run(
    server: Paid,  # noqa: F811
    file: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = tmp_path / "shared.sqlite"

    def script(text: str, before: int) -> dict[str, object]:
        # Another run writes into the ledger while this one asks.
        with Store(ledger, ABOUT) as store:
            key = f"other {uuid4()}"
            store.claim(key, 1.0)
            store.add(Answer(key, text="Yes."), None, 1.0)
        return said(text, before)

    server.script = script
    prices = ["--price-in", "1000", "--price-out", "1000", "--budget-usd", "100"]
    asked = ["reason", file, "--out", tmp_path / "out.jsonl", "--teacher-url", server.url, "--ledger", ledger]
    assert run(*asked, *prices, "--retries", "0", "--no-judge") == 0
    assert f"asked {COUNT} times for ${COUNT * 0.12:.4f}; " in capsys.readouterr().out
    money = json.loads((tmp_path / "out.rates.json").read_text())["money"]
    assert money["requests"] == COUNT and money["run_usd"] == pytest.approx(COUNT * 0.12)
    assert money["ledger_usd"] > COUNT
