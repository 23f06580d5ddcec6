"""What an answer has cost: as its server counted, else by an estimate, once, and the user is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sample_oracles import BOX, MODEL, picture, planned, questions, sample, saying

from egm_core.asking.job import Answer
from egm_core.asking.store import read_answers
from egm_core.engines.base import Chunk, Engine, Health
from egm_core.evaluate.samples.asking import ask, cost
from egm_core.evaluate.samples.side_by_side import SideBySide, told_tokens

NONSENSE = [
    {"prompt_tokens": 0, "completion_tokens": 0},
    {"prompt_tokens": -5, "completion_tokens": 2},
    {"prompt_tokens": True, "completion_tokens": 2, "total_tokens": True},
    {"prompt_tokens": "7", "completion_tokens": "\ud800", "total_tokens": "many"},
    {"prompt_tokens": math.nan, "completion_tokens": 2, "total_tokens": math.inf},
    {"prompt_tokens": 1e300, "completion_tokens": 2, "total_tokens": 1e300},
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
