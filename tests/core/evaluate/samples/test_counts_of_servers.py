"""What an answer has cost: as its server counted, else by an estimate, once, and the user is told."""

from __future__ import annotations

import json
import math
from typing import ClassVar

import numpy as np
import pytest
from sample_oracles import BOX, MODEL, picture, planned, questions, sample, saying
from scripted_http import JsonHandler, LocalServer, running_server

from egm_core.asking.job import Answer
from egm_core.asking.store import read_answers
from egm_core.engines.base import Chunk, Engine, Health
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.samples.asking import Budget, ask, cost
from egm_core.evaluate.samples.side_by_side import SideBySide, told_tokens

NONSENSE = [
    {"prompt_tokens": 0, "completion_tokens": 0},
    {"prompt_tokens": -5, "completion_tokens": 2},
    {"prompt_tokens": True, "completion_tokens": 2, "total_tokens": True},
    {"prompt_tokens": "7", "completion_tokens": "\ud800", "total_tokens": "many"},
    {"prompt_tokens": math.nan, "completion_tokens": 2, "total_tokens": math.inf},
    {"prompt_tokens": 1e300, "completion_tokens": 2, "total_tokens": 1e300},
    {"prompt_tokens": 900, "completion_tokens": 10**11},
    {"prompt_tokens": 10**11, "completion_tokens": 9, "total_tokens": 10**11 + 9},
    {"total_tokens": 10**9},
    {"completion_tokens": 200},
    [7, 2],
]


class Counting(Engine):
    """Answers the same with a count of tokens."""

    def __init__(self, usage):
        self.usage, self.requests = usage, []

    def generate(self, request):
        self.requests.append(request)
        yield Chunk(saying(BOX), (), "stop", self.usage)

    def abort(self, request_id):
        pass

    def health(self):
        return Health("ready")

    def close(self):
        pass


def run(tmp_path, usage):
    found = planned(questions(tmp_path, [sample(picture(tmp_path), f"cup {n}") for n in range(2)]))
    engine = Counting(usage)
    outcome = ask(found, SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), MODEL, 1), tmp_path / "a")
    assert len(outcome.answers) == 2 and all(request.counts for request in engine.requests)
    return outcome, [cost(answer, one) for (answer, _), one in zip(read_answers(tmp_path / "a"), found, strict=True)]


def test_what_a_server_counts_is_what_an_answer_costs(tmp_path, caplog):
    outcome, costs = run(tmp_path, {"prompt_tokens": 900, "completion_tokens": 70, "total_tokens": 970})
    assert (outcome.tokens, costs) == (1940, [970, 970])
    (first, _), _ = read_answers(tmp_path / "a")
    assert first.usage == {"prompt_tokens": 900, "completion_tokens": 70}
    assert "cannot be" not in caplog.text


@pytest.mark.parametrize("usage", NONSENSE, ids=repr)
def test_a_count_that_cannot_be_costs_the_estimate_and_is_said_once(tmp_path, usage, caplog):
    (tmp_path / "untold").mkdir()
    untold, _ = run(tmp_path / "untold", None)
    assert "cannot be" not in caplog.text
    outcome, costs = run(tmp_path, usage)
    assert outcome.tokens == untold.tokens == sum(costs)
    assert caplog.text.count("counts of tokens that cannot be") == 1


@pytest.mark.parametrize("usage", [*NONSENSE, {"failed_tokens": "x"}, {"failed_tokens": math.nan}], ids=repr)
def test_no_count_that_was_kept_breaks_the_sum(usage):
    assert cost(Answer("a", "x" * 30, usage=usage), None) in (10, 200)
    assert not isinstance(usage, dict) or told_tokens(usage) >= 0


@pytest.mark.parametrize(
    "usage", [{"failed_tokens": 10**11}, {"completion_tokens": 10**11}, {"total_tokens": 10**9, "failed_tokens": 3}]
)
def test_what_no_question_can_cost_is_not_counted(tmp_path, usage):
    (one,) = planned(questions(tmp_path, [sample(picture(tmp_path), "cup")]))
    plain = cost(Answer("a", "x" * 30), one)
    assert cost(Answer("a", "x" * 30, usage=usage), one) in (plain, plain + 3)
    assert cost(Answer("a", error="gone", usage=usage), one) < 10_000
    assert told_tokens(usage) in (0, 3)


class Nameless(JsonHandler):
    """Refuses the option that asks for counts, and does not say what it refuses."""

    bodies: ClassVar[list[dict]] = []

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": ""}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        if "stream_options" in body:
            self.reply(400, {"error": {"message": "bad request"}})
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": saying(BOX)}, "finish_reason": "stop"}
            self.reply(200, {"choices": [choice]})


@pytest.mark.parametrize(("most", "sent", "answers"), [(None, 4, 3), (4, 4, 3), (3, 3, 2), (1, 1, 0)])
def test_a_request_put_anew_without_what_was_refused_counts(tmp_path, monkeypatch, most, sent, answers):
    monkeypatch.setattr(Nameless, "bodies", [])
    found = planned(questions(tmp_path, [sample(picture(tmp_path), f"cup {n}") for n in range(3)]))
    with running_server(LocalServer(Nameless)) as server, OpenAIEngine(server.url) as engine:
        asker = SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), MODEL, 1)
        outcome = ask(found, asker, tmp_path / "a", Budget(requests=most))
    assert len(Nameless.bodies) == outcome.requests == sent
    assert len(outcome.answers) == answers
    if most == 1:
        (why,) = outcome.failed.values()
        assert "the budget allows no further attempt" in why and "bad request" in why
