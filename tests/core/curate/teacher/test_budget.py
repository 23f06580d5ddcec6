"""A budget is never exceeded: whatever a server bills within the worst case, with many under way, and after kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from paid_server import Paid
from test_ask import answers, impatient, jobs, ledger, server, teacher  # noqa: F401

from egm_core.asking.job import Answer
from egm_core.asking.store import Store
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.prices import Price
from egm_core.curate.money.tokens import Tokens
from egm_core.curate.teacher.asker import BudgetSpent

PRICE = Price("*", 10.0, 100.0, "2026-11-28", "a test")


def test_many_at_once_stay_below_it(server: Paid, tmp_path: Path) -> None:  # noqa: F811
    server.seconds = 0.005
    server.usage = {"prompt_tokens": 100, "completion_tokens": 100}
    who = teacher(server, concurrency=32, price=PRICE, limit=0.5)
    with pytest.raises(BudgetSpent, match="larger --budget-usd"):
        answers(jobs(200), who, tmp_path)
    told = server.dollars(10, 100)
    assert 0.45 < told <= 0.5
    with ledger(tmp_path) as store:
        spent, reserved = store.money()
        assert spent == pytest.approx(told) and not reserved
    more = teacher(server, concurrency=32, price=PRICE, limit=5.0)
    assert len(answers(jobs(200), more, tmp_path)) == 200
    assert set(server.asked.values()) == {1}


def test_few_are_under_way_until_it_is_known_how_the_server_bills_and_then_more(
    server: Paid,  # noqa: F811
    tmp_path: Path,
) -> None:
    server.seconds = 0.05
    at_once: list[int] = []

    def script(text: str, before: int) -> dict[str, object]:
        at_once.append(server.under_way)
        return {}

    server.script = script
    answers(jobs(120), teacher(server, concurrency=12, price=PRICE, limit=50.0), tmp_path)
    assert max(at_once[:8]) <= 2
    assert server.most_at_once >= 6


@pytest.mark.parametrize("times", [3, 10])
def test_a_server_that_bills_more_than_there_can_be_does_not_break_it(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    times: int,
) -> None:
    server.seconds = 0.005
    server.usage = {"prompt_tokens": 200 * times, "completion_tokens": 100 * times}
    who = teacher(server, concurrency=32, price=PRICE, limit=2.0)
    with pytest.raises(BudgetSpent):
        answers(jobs(400), who, tmp_path)
    assert 1.5 < server.dollars(10, 100) <= 2.0


@pytest.mark.parametrize("told", [{"prompt_tokens": "many"}, {"prompt_tokens": -5, "completion_tokens": -1}])
def test_a_usage_that_says_nothing_raises_no_reservation(tmp_path: Path, told: dict[str, object]) -> None:
    budget, tokens = Budget(PRICE, 1.0), Tokens(100, 100, 10)
    with ledger(tmp_path) as store:
        assert budget.reserve(store, "a", tokens)
        spent = budget.settle(store, Answer("a", "text", usage=told), tokens)
    assert (spent, budget.factor, budget.seen) == (pytest.approx(0.002), 1.0, 1), "once, and the trial goes on"


def test_rows_are_not_added_up_for_each_answer(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = 0
    whole = Store.money

    def counted(store: Store) -> tuple[float, float]:
        nonlocal sums
        sums += 1
        return whole(store)

    monkeypatch.setattr(Store, "money", counted)
    for limit in (None, 10.0):
        answers(jobs(30), teacher(server, price=PRICE, limit=limit), tmp_path / str(limit))
    assert sums <= 4


def test_where_it_ends_the_rest_can_be_failures(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    who = teacher(server, price=PRICE, limit=0.06, partial=True)
    found = answers(jobs(50), who, tmp_path)
    asked = [answer for answer in found.values() if not answer.error]
    assert 0 < len(asked) < 50 and len(found) == 50
    assert {answer.error for answer in found.values() if answer.error} == {"not asked: the budget is spent"}
    left = f"{50 - len(asked)} of 50 questions of this step are left"
    assert left in caplog.text
    with pytest.raises(BudgetSpent, match=left.replace("of 50", f"of {50 - len(asked)}")):
        answers(jobs(50), replace(who, partial=False), tmp_path)


def test_what_timed_out_counts_as_spent_and_what_was_refused_does_not(
    server: Paid,  # noqa: F811
    tmp_path: Path,
) -> None:
    # It hangs until the test lets it go, so that a slow machine cannot let an answer through or cut off another.
    let_go = threading.Event()

    def script(text: str, before: int) -> object:
        if text == "question 0":
            let_go.wait(60)
        return (429, {}) if text == "question 1" and before < 3 else (400, {}) if text == "question 2" else {}

    server.script = script  # type: ignore[assignment]
    who = teacher(server, price=PRICE, limit=10.0, attempts=2, timeout=0.2)
    try:
        answers(jobs(1), who, tmp_path)
    finally:
        let_go.set()
    with ledger(tmp_path) as store:
        cut_off = store.money()[0]
    assert cut_off > 2 * 100 * 100 / 1e6, "two sendings, each at its worst case"
    answers(jobs(2, start=1), replace(who, serving=replace(who.serving, timeout=60.0)), tmp_path)
    with ledger(tmp_path) as store:
        assert store.money()[0] - cut_off == pytest.approx((100 * 10 + 20 * 100) / 1e6)


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = {folders!r}
from test_ask import jobs
from egm_core.asking.served import Serving
from egm_core.curate.money.prices import Price
from egm_core.curate.teacher import Teacher, ask
who = Teacher(({url!r},), serving=Serving(16, limited=True), price=Price("*", 10.0, 100.0), limit={limit})
print(sum(not answer.error for _, answer in ask(jobs({count}, start={start}), who, Path({ledger!r}))))
"""


def child(
    server: Paid,  # noqa: F811
    tmp_path: Path,
    limit: float,
    count: int,
    start: int = 0,
) -> subprocess.Popen[str]:
    code = CHILD.format(
        folders=[str(Path(__file__).parents[up]) for up in (0, 3)], url=server.url, limit=limit, count=count,
        start=start, ledger=str(tmp_path / "answers.sqlite"),
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ.copy(),
    )


@pytest.mark.long
def test_kills_lose_nothing_ask_nothing_twice_and_leave_the_budget_whole(
    server: Paid,  # noqa: F811
    tmp_path: Path,
) -> None:
    server.seconds = 0.05
    for _ in range(4):
        one = child(server, tmp_path, 20.0, 400)
        goal = server.answers + 40
        while server.answers < goal and one.poll() is None:
            time.sleep(0.02)
        one.send_signal(signal.SIGKILL)
        one.wait()
    under_way = sum(count - 1 for count in server.asked.values())
    last = child(server, tmp_path, 20.0, 400)
    out, _ = last.communicate(timeout=120)
    assert out.strip() == "400"
    twice = sum(count - 1 for count in server.asked.values())
    assert twice <= 4 * 16, f"only what was under way at a kill is asked again ({under_way} before the last run)"
    with ledger(tmp_path) as store:
        assert len(store) == 400 and store.money()[0] >= server.dollars(10, 100)


@pytest.mark.long
def test_a_budget_holds_over_kills(server: Paid, tmp_path: Path) -> None:  # noqa: F811
    server.seconds = 0.03
    limit = 1.0
    for _ in range(6):
        one = child(server, tmp_path, limit, 2000)
        goal = server.answers + 30
        while server.answers < goal and one.poll() is None:
            time.sleep(0.02)
        one.send_signal(signal.SIGKILL)
        one.wait()
        time.sleep(0.1)
    with pytest.raises(BudgetSpent):
        answers(jobs(2000), teacher(server, price=PRICE, limit=limit), tmp_path)
    assert server.dollars(10, 100) <= limit


def test_two_commands_on_one_ledger_share_its_budget(server: Paid, tmp_path: Path) -> None:  # noqa: F811
    server.seconds = 0.02
    limit = 0.5
    # Each has questions of its own, so that neither leaves the money to the other.
    both = [child(server, tmp_path, limit, 300, start) for start in (0, 300)]
    assert [one.wait(timeout=120) for one in both] == [1, 1], "the budget ends both"
    assert 0.6 * limit < server.dollars(10, 100) <= limit
    assert set(server.asked.values()) == {1}
    asked = [int(text.rpartition(" ")[2]) < 300 for text in server.asked]
    assert 0 < sum(asked) < len(asked), "both have asked"
    with ledger(tmp_path) as store:
        assert store.money() == (pytest.approx(server.dollars(10, 100)), 0.0)
