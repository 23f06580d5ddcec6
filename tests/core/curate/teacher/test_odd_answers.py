"""Answers that servers should not give: counts that cannot be, halves of characters, and batch rows without counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from egm_core.asking.job import Answer, Job, text_part
from egm_core.asking.store import Store
from egm_core.curate import provenance
from egm_core.curate.money.budget import Budget
from egm_core.curate.money.prices import Price
from egm_core.curate.money.tokens import tokens_of
from egm_core.curate.provenance import Provenance
from egm_core.curate.teacher import Teacher, batch
from egm_core.curate.teacher.usable import checked
from egm_core.engines.base import Sampling

PRICE = Price("*", 10.0, 100.0, "2026-11-28", "a test")
JOB = Job("a", ({"role": "user", "content": [text_part("which mug is it " * 40)]},), Sampling(max_tokens=50))


@pytest.mark.parametrize("told", [(0, 0), (0, 9), (5, 9), (200, 0)])
def test_counts_that_cannot_be_cost_the_worst_case(told: tuple[int, int]) -> None:
    budget, tokens = Budget(PRICE, 1.0), tokens_of(JOB, "a-teacher")
    answer = Answer("a", "The left one.", usage={"prompt_tokens": told[0], "completion_tokens": told[1]})
    assert budget.spent(answer, tokens) == budget.worst(tokens) / budget.wary > 0, "the worst case, once"
    true = replace(answer, usage={"prompt_tokens": 200, "completion_tokens": 9})
    assert 0 < budget.spent(true, tokens) < budget.worst(tokens)


def test_half_a_character_is_a_failure_and_never_a_question_mark(tmp_path: Path) -> None:
    answer = checked(Answer("a", "the \ud83d mug"))
    assert answer.error.startswith("broken")
    with Store(tmp_path / "answers.sqlite", {}) as store:
        store.add(answer)
        assert next(store.answers())[0].text == "the \ufffd mug"


def test_half_a_character_in_what_a_server_tells_beside_is_no_end_of_a_run(tmp_path: Path) -> None:
    told = Answer("a", "it", "st\ud800op", usage={"note\ud800": ["\ud800", {"n": "\ud800"}]}, model="m\ud800")
    with Store(tmp_path / "answers.sqlite", {}) as store:
        store.add(told)
        kept = next(store.answers())[0]
    line = Provenance("a", "p", model=kept.model, finish=kept.finish, usage=kept.usage)
    provenance.write(tmp_path / "x.jsonl", [line])
    assert list(provenance.read(tmp_path / "x.jsonl")) == [line]


def test_odd_batch_rows_are_failures_in_words(tmp_path: Path) -> None:
    good = {"choices": [{"message": {"content": "it"}, "finish_reason": "stop"}]}
    message = {"content": [{"type": "text", "text": "it"}], "stop_reason": "end_turn"}
    rows: list[tuple[dict[str, Any], str]] = [
        ({"response": None, "error": "expired"}, "batch: expired"),
        ({"response": "oops"}, "batch: its response is no object of JSON: oops"),
        ({"response": {"status_code": 200, "body": "oops"}}, "the body of its answer is no object of JSON: oops"),
        ({"response": {"status_code": 200, "body": good | {"usage": "many"}}}, ""),
        ({"result": {"type": "errored", "error": "overloaded"}}, "batch: errored: overloaded"),
        ({"result": {"type": "succeeded", "message": "oops"}}, "its message is no object of JSON: oops"),
        ({"result": {"type": "succeeded", "message": message | {"content": 5}}}, "batch: no chat answer"),
        ({"result": {"type": "succeeded", "message": message | {"usage": [1]}}}, ""),
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"custom_id": "a"} | row) + "\n" for row, _ in rows))
    for row, (_, words) in zip(batch.read_rows(file), rows, strict=True):
        assert words in row.answer.error and bool(words) == bool(row.answer.error), row
        assert row.answer.usage == {} and row.answer.text == ("" if words else "it")


def test_batch_rows_without_counts_cost_the_worst_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Answer("a", "The left one."), Answer("b", error="expired")]
    monkeypatch.setattr(batch, "read_rows", lambda file: [batch.Row("openai", row) for row in rows])
    jobs = {"a": JOB, "b": replace(JOB, key="b")}
    with Store(tmp_path / "answers.sqlite", {}) as store:
        batch.take_in([tmp_path], jobs, store, Teacher(name="a-teacher", price=PRICE))
        worst = tokens_of(JOB, "a-teacher")
        assert store.money()[0] == pytest.approx(PRICE.in_batch().dollars(worst.most_in, worst.most_out))
