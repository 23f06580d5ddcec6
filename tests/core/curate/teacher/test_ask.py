"""Asking a teacher: exactly once, failures that stay failures, Retry-After, and a number under way that adapts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paid_server import Paid, paid

from egm_core.asking.job import Answer, Job
from egm_core.asking.served import Serving
from egm_core.asking.store import Store
from egm_core.curate.teacher import Teacher, ask
from egm_core.engines.base import EngineError, Sampling


@pytest.fixture
def server() -> Iterator[Paid]:
    with paid() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egm_core.asking.endpoint.FIRST_WAIT", 0.01)
    monkeypatch.setattr("egm_core.asking.endpoint.LONGEST_WAIT", 0.02)


def jobs(count: int, tokens: int = 100, start: int = 0) -> list[Job]:
    sampling = Sampling(max_tokens=tokens, temperature=0.7)
    return [
        Job(f"key-{i}", ({"role": "user", "content": [{"type": "text", "text": f"question {i}"}]},), sampling)
        for i in range(start, start + count)
    ]


def teacher(server: Paid, concurrency: int = 8, **more: Any) -> Teacher:
    serving = Serving(concurrency, timeout=more.pop("timeout", 30.0), patience=20.0, limited=True)
    return Teacher((server.url,), serving=serving, **more)


def answers(made: list[Job], who: Teacher, folder: Path) -> dict[str, Answer]:
    return {job.key: answer for job, answer in ask(made, who, folder / "answers.sqlite")}


def ledger(folder: Path) -> Store:
    return Store(folder / "answers.sqlite", {"what": "answers of teachers"})


def test_each_question_is_asked_once_and_kept(server: Paid, tmp_path: Path) -> None:
    made = jobs(30)
    found = answers([*made, *made[:5]], teacher(server), tmp_path)
    assert {answer.text for answer in found.values()} == {f"answer to question {i}" for i in range(30)}
    assert next(iter(found.values())).model == "teacher-1-0825"
    assert answers(jobs(40), teacher(server), tmp_path).keys() == {f"key-{i}" for i in range(40)}
    assert set(server.asked.values()) == {1} and len(server.asked) == 40
    with ledger(tmp_path) as store:
        assert store.attempts() == server.answers == 40


def test_failures_are_sent_again_so_often_and_stay_failures(server: Paid, tmp_path: Path) -> None:
    scripts: dict[str, Any] = {
        "question 0": lambda before: (500, {}),
        "question 1": lambda before: (500, {}) if before < 2 else {},
        "question 2": lambda before: (400, {}),
        "question 3": lambda before: {"finish": "length", "text": "cut o"},
        "question 4": lambda before: {"text": " "},
        "question 5": lambda before: {"finish": "content_filter", "text": ""},
    }
    server.script = lambda text, before: scripts.get(text, lambda _: {})(before)
    found = answers(jobs(8), teacher(server, attempts=3), tmp_path)
    assert [key for key, answer in found.items() if not answer.error] == ["key-1", "key-6", "key-7"]
    whys = [found[f"key-{i}"].error for i in (0, 2, 3, 4, 5)]
    for why, words in zip(whys, ("3 attempts failed", "HTTP 400", "truncated", "empty", "content_filter"), strict=True):
        assert words in why, why
    assert [server.asked[f"question {i}"] for i in range(6)] == [3, 3, 1, 1, 1, 1]
    assert found["key-3"].finish == "length"
    server.script = lambda text, before: {}
    again = answers(jobs(8), teacher(server), tmp_path)
    assert [key for key, answer in again.items() if answer.error] == ["key-3", "key-4", "key-5"]
    # Answers that were made were paid: cut off, empty and withheld ones are not asked for again as they are.
    assert [server.asked[f"question {i}"] for i in range(8)] == [4, 3, 2, 1, 1, 1, 1, 1]


def test_a_busy_server_is_left_alone_as_long_as_it_asks(server: Paid, tmp_path: Path) -> None:
    server.script = lambda text, before: (429, {"Retry-After": "0.6"}) if text == "question 0" and not before else {}
    found = answers(jobs(3), teacher(server, concurrency=1), tmp_path)
    assert not any(answer.error for answer in found.values())
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) >= 0.6 and len(server.times) == 4


def test_the_number_under_way_grows_and_falls(server: Paid, tmp_path: Path) -> None:
    server.seconds = 0.1
    answers(jobs(100), teacher(server, concurrency=12), tmp_path)
    assert 6 <= server.most_at_once <= 12
    server.most_at_once = 0
    server.script = lambda text, before: (429, {}) if server.under_way > 3 else {}
    found = answers(jobs(60, start=1000), teacher(server, concurrency=12), tmp_path)
    assert not any(answer.error for answer in found.values())
    assert server.most_at_once <= 10


def test_a_hanging_answer_is_given_up(server: Paid, tmp_path: Path) -> None:
    def script(text: str, before: int) -> Any:
        if text == "question 0" and not before:
            time.sleep(1.0)
        return {}

    server.script = script
    found = answers(jobs(2), teacher(server, timeout=0.3), tmp_path)
    assert not found["key-0"].error and server.asked["question 0"] == 2


def test_a_key_that_is_refused_ends_the_run_and_keeps_what_came(server: Paid, tmp_path: Path) -> None:
    server.script = lambda text, before: (401, {}) if len(server.asked) > 5 else {}
    with pytest.raises(EngineError, match="no server is left"):
        answers(jobs(20), teacher(server, concurrency=1), tmp_path)
    server.script = lambda text, before: {}
    answers(jobs(20), teacher(server), tmp_path)
    assert sum(server.asked.values()) == 21


def test_schemas_lose_what_strict_servers_refuse(server: Paid, tmp_path: Path) -> None:
    form = {"type": "object", "title": "X", "properties": {"title": {"type": "string", "minLength": 1}}}
    job = Job("k", jobs(1)[0].messages, Sampling(max_tokens=9), schema=form)
    answers([job], teacher(server), tmp_path)
    sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert sent == {"type": "object", "properties": {"title": {"type": "string"}}}
