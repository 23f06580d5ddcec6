"""Scenes shared out among processes: the same rows in the same order as from one process."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import chain

import pytest

from egm_core.engines import EngineError
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.shares import Evaluation, evaluate
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

FIRST = EVALUATION_FIRST_SEED


def test_the_shares_hold_each_seed_once_and_in_order():
    evaluation = Evaluation(first_seed=7, scenes=70)
    assert [len(share) for share in evaluation.shares] == [32, 32, 6]
    assert list(chain(*evaluation.shares)) == list(range(7, 77))
    assert replace(evaluation, scenes=0).shares == []


@pytest.mark.timeout(900)
def test_two_processes_give_the_rows_of_one(random_qwen):
    evaluation = Evaluation(str(random_qwen), scenes=3, queries_per_scene=1, at_once=1, threads=1)
    one, two = ([row for asked in evaluate(evaluation, processes) for row in asked.rows] for processes in (1, 2))
    assert one == two
    assert [row.query.seed for row in one] == sorted(row.query.seed for row in one)
    assert {row.query.seed for row in one} == {FIRST, FIRST + 1, FIRST + 2}


def test_an_engine_error_comes_back_whole_from_another_process():
    error = pickle.loads(pickle.dumps(EngineError("engine_failed", "no such weights")))
    assert (error.reason, error.detail, str(error)) == (
        "engine_failed",
        "no such weights",
        "engine_failed: no such weights",
    )


def test_workers_beside_processes_are_refused(random_qwen, capsys):
    assert main(["scenes", "--scenes", "1", "--model", str(random_qwen), "--processes", "2", "--workers", "2"]) == 2
    assert "leave out workers" in capsys.readouterr().err
