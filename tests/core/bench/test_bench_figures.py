"""Times, percentiles, floors and loads, each worked out by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from egm_core.bench.bandwidth import Bandwidth, bandwidth, milliseconds
from egm_core.bench.cells import Bench, Cell
from egm_core.bench.floor import Floor, Weights, floor, weights_of
from egm_core.bench.load import under_load
from egm_core.bench.report import ratios, text
from egm_core.bench.spread import Spread, spread
from egm_core.bench.timing import Timed, timed
from egm_core.engines.base import Chunk, Engine, EngineError, Health, Request, Token
from egm_core.train.plan.architectures import architecture


@dataclass
class Steady(Engine):
    """Answers after a while with tokens at a steady pace, and counts how many questions it has at once."""

    first: float = 0.05
    each: float = 0.02
    tokens: int = 4
    together: int = 1
    most: int = 0
    now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    fails: bool = False

    def generate(self, request: Request) -> Iterator[Chunk]:
        if self.fails:
            raise EngineError("engine_failed", "no room")
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.first)
        for number in range(self.tokens):
            yield Chunk("a" * self.together, (Token("a"),) * self.together, None)
            time.sleep(self.each if number < self.tokens - 1 else 0)
        with self.lock:
            self.now -= 1
        yield Chunk("", (), "stop")

    def abort(self, request_id: str) -> None: ...

    def health(self) -> Health:
        return Health("ready")

    def close(self) -> None: ...


def question(number: int) -> Request:
    return Request(f"q{number}", np.zeros((8, 8, 3), np.uint8), "where")


def test_an_answer_is_timed_from_its_question_to_its_last_word() -> None:
    found = timed(Steady(), lambda: question(0))
    assert found.tokens == 4 and found.finish == "stop" and not found.error
    assert 0.05 <= found.first < found.last
    assert found.token == pytest.approx((found.last - found.first) / 3) and found.token >= 0.02
    assert found.total >= found.last >= 0.11


def test_tokens_that_come_in_bursts_are_told() -> None:
    burst = timed(Steady(tokens=1, together=5), lambda: question(0))
    assert burst.bunched == 4 and timed(Steady(), lambda: question(0)).bunched == 0
    least = floor(Weights(1, 1, 1, 1), 1e6, 1, 1, 1, 1)
    cells = [
        replace(Cell.of([answer], 1.0, engine=name, model="m", size="s", at_once=1), floor=least)
        for name, answer in (("bursts", burst), ("steady", timed(Steady(), lambda: question(0))))
    ]
    said = [line for line in ratios(cells) if "token" in line]
    assert len(said) == 2 and "80 % of the tokens came in bursts" in said[0] and "x its floor" in said[1]


def test_making_the_question_is_part_of_its_time() -> None:
    def slow() -> Request:
        time.sleep(0.2)
        return question(0)

    assert timed(Steady(), slow).first >= 0.25


def test_a_failure_is_told_and_has_no_times() -> None:
    assert timed(Steady(fails=True), lambda: question(0)).error == "engine_failed: no room"
    cell = Cell.of([Timed(error="no room"), Timed(0.1, 0.2, 0.3, 3)], 0.5, engine="e", model="m", size="s", at_once=1)
    assert (cell.questions, cell.failed, cell.wrong, cell.a_second) == (2, 1, "no room", 2.0)
    assert cell.total is not None and cell.total.median == pytest.approx(300)
    assert cell.token is not None and cell.token.mean == pytest.approx(50)


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_questions_are_in_flight_and_all_are_answered(at_once: int) -> None:
    engine, ticks = Steady(first=0.02, each=0.001), []
    asked = [lambda number=number: question(number) for number in range(7)]
    run = under_load(engine, asked, at_once, lambda: ticks.append(1))
    assert engine.most == at_once and len(run.answers) == len(ticks) == 7
    assert run.seconds >= 7 * 0.02 / at_once and run.busy >= 0


def test_percentiles_are_times_that_were_measured() -> None:
    assert spread([]) is None
    assert spread([0.001 * n for n in range(1, 101)]) == Spread(pytest.approx(50.5), 50.5, 95.0, 99.0)
    assert spread([0.001, 0.009]) == Spread(5.0, 5.0, 9.0, 9.0)


def test_the_floor_is_bytes_over_bandwidth() -> None:
    model = Weights(vision=100, layers=900, head=100, kept=10)
    least = floor(model, 1e6, prompt=20, answer=10, at_once=4, picture=50)
    assert least.first == pytest.approx(1000 * (100 + 1000 + 50 + 200) / 1e6)
    assert least.token == pytest.approx(1000 * (1000 + 4 * 25 * 10) / 1e6)
    assert least.total == pytest.approx(least.first + 9 * least.token)


def test_a_token_below_its_floor_says_that_the_floor_is_none() -> None:
    answer = timed(Steady(), lambda: question(0))
    said = {}
    for name, needed in (("below", 0.001), ("above", 1000)):
        least = Floor(1.0, needed, 1.0)
        cell = replace(Cell.of([answer], 1.0, engine=name, model="m", size="s", at_once=1), floor=least)
        (said[name],) = ratios([cell])
    assert "the floor is none" in said["above"] and "the floor is none" not in said["below"]


def test_a_bandwidth_whose_passes_disagree_is_told() -> None:
    assert Bandwidth(20e9, 11e9).doubt == ""
    doubt = Bandwidth(224.7e9, 2.5e9).doubt
    assert "best pass gave 224.7 GB/s, half of them less than 2.5" in doubt
    assert doubt in text(Bench({}, {"bandwidth_doubt": doubt}))


def test_the_bandwidth_outlasts_a_spell_in_which_others_have_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    true, began = milliseconds, time.perf_counter()

    def disturbed(action: Callable[[], object], device: torch.device) -> float:
        return true(action, device) + (100 if time.perf_counter() - began < 0.8 else 0)

    monkeypatch.setattr("egm_core.bench.bandwidth.milliseconds", disturbed)
    assert bandwidth(torch.device("cpu"), 1).best > 1e9


def test_the_bytes_of_a_true_shape_are_those_of_its_parameters() -> None:
    counted = weights_of(architecture("Qwen/Qwen3-VL-8B-Thinking"), 2)
    # All of 8,767,123,696 parameters but the input table and the last norm are read.
    table = 151936 * 4096
    assert counted.vision + counted.token == 2 * (8_767_123_696 - table - 4096)
    assert counted.kept == 2 * 2 * 36 * 8 * 128
