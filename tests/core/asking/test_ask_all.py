"""Asking for all that a store lacks: nothing twice, failures anew, beside another process; and engines at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scoring_run import asked, servers

from egm_core.asking.asker import Emit, ask_all
from egm_core.asking.engine import EngineAsker
from egm_core.asking.job import Answer, Job, text_part
from egm_core.asking.store import Store
from egm_core.engines.base import EngineError
from egm_core.engines.openai import OpenAIEngine

ITEMS = {str(i): i for i in range(10)}


def job(i: int) -> Job:
    return Job.about_picture(str(i), i, f"Locate the thing {i}.")


def read(reference: Any) -> NDArray[np.uint8]:
    """Give a picture for even numbers."""
    if reference % 2:
        raise ValueError(f"picture {reference} is cut short")
    return np.zeros((8, 8, 3), np.uint8)


class Oracle:
    """Answers with the job's own text; fails as it is told, and stops after some."""

    def __init__(self, failing: tuple[str, ...] = (), most: int = 100, silent: bool = False) -> None:
        self.failing, self.most, self.silent = failing, most, silent
        self.about: dict[str, Any] = {}
        self.asked: list[str] = []

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        for job in jobs:
            if len(self.asked) >= self.most:
                raise EngineError("engine_unreachable", "gone")
            self.asked.append(job.key)
            if not self.silent:
                emit(Answer(job.key, error="no" if job.key in self.failing else "", text=job.single()[1]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "answers.sqlite", {}) as store:
        yield store


def test_what_is_answered_is_not_asked_again_and_what_failed_is(store: Store) -> None:
    assert ask_all(ITEMS, job, Oracle(failing=("3", "4")), store, "first") == {"3": "no", "4": "no"}
    again = Oracle(failing=("4",))
    assert ask_all(ITEMS, job, again, store, "again") == {"4": "no"} and again.asked == ["3", "4"]
    assert len(store) == 9


def test_what_is_kept_of_an_answer_is_the_callers_choice(store: Store) -> None:
    ask_all(ITEMS, job, Oracle(), store, "kept", lambda i, a: (Answer(a.key), {"length": len(a.text) + i}))
    assert {a.key: (a.text, p) for a, p in store.answers()}["7"] == ("", {"length": 26})


def test_after_a_failure_the_same_call_goes_on(store: Store) -> None:
    with pytest.raises(EngineError, match="gone"):
        ask_all(ITEMS, job, Oracle(most=4), store, "first")
    rest = Oracle()
    assert ask_all(ITEMS, job, rest, store, "again") == {} and rest.asked == [str(i) for i in range(4, 10)]


def test_jobs_that_come_back_without_a_word_are_an_error(store: Store) -> None:
    with pytest.raises(EngineError, match="10 of 10 questions came back without a word"):
        ask_all(ITEMS, job, Oracle(silent=True), store, "silent")


def test_two_that_ask_for_the_same_share_the_work_and_both_have_all(store: Store) -> None:
    found: list[tuple[dict[str, str], int]] = []

    def ask(urls: tuple[str, ...]) -> None:
        with OpenAIEngine(urls[0]) as engine, Store(store.path, {}) as own:
            asker = EngineAsker(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), batch=1)
            found.append((ask_all({str(i): i for i in range(60)}, job, asker, own, "shared"), len(own)))

    with servers(1, delay=0.01) as urls:
        threads = [Thread(target=ask, args=(tuple(urls),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert asked(urls[0]) == 60, "each is asked once"
    assert found == [({}, 60), ({}, 60)]


def test_an_engine_that_is_there_answers_and_says_what_it_cannot(store: Store) -> None:
    with servers(1) as urls, OpenAIEngine(urls[0]) as engine:
        asker = EngineAsker(engine, read, batch=2)
        failed = ask_all(ITEMS, job, asker, store, "engine")
        two = Job("two", ({"role": "user", "content": [text_part("a"), text_part("b")]},))
        found: list[Answer] = []
        asker.ask(iter([two]), found.append)
    assert failed == {str(i): f"picture {i} is cut short" for i in range(1, 10, 2)} and len(store) == 5
    assert "ask a server for more" in found[0].error
    assert all(answer.text and answer.finish == "stop" for answer, _ in store.answers() if not answer.error)
