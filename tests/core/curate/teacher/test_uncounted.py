"""What servers bill that tell no tokens, impossible ones, or something else than an answer; and answers that drip."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from paid_server import Paid
from test_ask import answers, impatient, jobs, ledger, server, teacher  # noqa: F401

from egm_core.curate.money.prices import Price
from egm_core.curate.money.tokens import tokens_of

PRICE = Price("*", 10.0, 100.0, "2026-11-28", "a test")
TOLD = {"prompt_tokens": 90, "completion_tokens": 10}


def worst(count: int = 1) -> float:
    tokens = tokens_of(jobs(1)[0], "")
    return count * PRICE.dollars(tokens.most_in, tokens.most_out)


def spent(folder: Path) -> float:
    with ledger(folder) as store:
        return store.money()[0]


def test_a_server_without_counts_is_charged_the_worst_case_once_and_said_so_once(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.usage, server.seconds = {}, 0.03
    who = teacher(server, price=PRICE, limit=1.02 * worst(40))
    with caplog.at_level(logging.WARNING, "egm.curate"):
        found = answers(jobs(40), who, tmp_path)
    # The last question fits only where the trial has ended, in which twice the worst case is reserved.
    assert not any(answer.error for answer in found.values())
    assert 0.9 * worst(40) < spent(tmp_path) < 1.1 * worst(40)
    assert sum("no counts of tokens" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    "told", [{"prompt_tokens": 90, "completion_tokens": 10**9}, {"prompt_tokens": 10**8, "completion_tokens": 10}]
)
def test_an_absurd_count_is_none(server: Paid, tmp_path: Path, told: dict[str, int]) -> None:  # noqa: F811
    server.usage = told
    answers(jobs(1), teacher(server, price=PRICE, limit=1.0), tmp_path)
    assert spent(tmp_path) == pytest.approx(worst(), rel=0.05)


@pytest.mark.parametrize(
    ("turn", "dollars"),
    [
        ({"raw": [json.dumps({"error": {"message": "upstream"}}).encode()]}, 0.0),
        ({"raw": [b"<html><body>504 Gateway Time-out</body></html>"]}, 0.0),
        ({"finish": "content_filter", "text": "", "usage": TOLD}, PRICE.dollars(90, 10)),
        ({"finish": "abort", "text": "", "usage": TOLD}, PRICE.dollars(90, 10)),
        ({"finish": "error", "text": "", "usage": TOLD}, PRICE.dollars(90, 10)),
    ],
)  # fmt: skip
def test_what_is_no_answer_costs_what_was_told(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    turn: dict[str, Any],
    dollars: float,
) -> None:
    server.script = lambda text, before: turn
    found = answers(jobs(1), teacher(server, price=PRICE, limit=1.0, attempts=1), tmp_path)
    assert found["key-0"].error
    assert spent(tmp_path) == pytest.approx(dollars)


def test_the_time_limit_is_for_the_whole_answer(server: Paid, tmp_path: Path) -> None:  # noqa: F811
    server.script = lambda text, before: {"raw": [b" "] * 40, "pause": 0.05}
    found = answers(jobs(1), teacher(server, attempts=1, timeout=0.3), tmp_path)
    assert "no whole answer within 0.3 s" in found["key-0"].error
