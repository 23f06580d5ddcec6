"""What a server's failure is called, and how long it wants to be left alone."""

from __future__ import annotations

import pickle
import time
from email.utils import formatdate

import httpx
import numpy as np
import pytest
from misbehaving import running

from egm_core.asking.job import Answer, Job
from egm_core.engines.base import EngineError
from egm_core.engines.http import failures
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.samples.side_by_side import SideBySide


@pytest.mark.parametrize(
    ("told", "wait"),
    [("3", 3.0), (" 0.5 ", 0.5), ("-1", 0.0), ("soon", 0.0), ("", 0.0), ("nan", 0.0), ("inf", 0.0)],
)
def test_a_server_says_how_long(told: str, wait: float) -> None:
    assert failures.retry_after(httpx.Headers({"Retry-After": told})) == wait


def test_a_date_is_told_as_well() -> None:
    assert failures.retry_after({}) == 0.0
    soon = failures.retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert 50 < soon <= 60
    assert failures.retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0.0


def test_the_wait_travels_with_the_error() -> None:
    again = pickle.loads(pickle.dumps(EngineError("engine_http_429", "busy", 7.0)))
    assert (again.reason, again.detail, again.wait) == ("engine_http_429", "busy", 7.0)


def test_many_questions_side_by_side_leave_a_busy_server_alone() -> None:
    answers: list[Answer] = []
    job = Job.about_picture("key", "a.png", "where is the mug?")
    with running() as server:
        engine = OpenAIEngine(server.url, "retry:0.6")
        began = time.monotonic()
        asker = SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), {"model": "m"}, 1, first_wait=0.0)
        asker.ask(iter([job]), answers.append)
        engine.close()
    assert [one.text for one in answers] == ["now"] and len(server.bodies) == 2
    assert time.monotonic() - began >= 0.6
