"""Asking about samples: identical pixels, each answer once, through kills, failures and budgets."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from sample_oracles import (
    BOX,
    HEIGHT,
    MODEL,
    WIDTH,
    Scripted,
    answered,
    picture,
    planned,
    questions,
    sample,
    saying,
)

from egm_core.engines.base import Chunk, Engine, EngineError, Health
from egm_core.evaluate.samples.asking import Budget, ask
from egm_core.evaluate.samples.rows import Rules, scored
from egm_core.evaluate.samples.side_by_side import SideBySide
from egm_core.families import family

RULES = Rules(family("qwen3_vl"), "paper_eval")


class Idle(Engine):
    """What an engine has besides answering."""

    def abort(self, request_id):
        pass

    def health(self):
        return Health("ready")

    def close(self):
        pass


@pytest.fixture
def five(tmp_path):
    image = picture(tmp_path)
    return planned(questions(tmp_path, [sample(image, f"cup {n}") for n in range(5)]))


def test_answers_are_scored_and_kept(five, tmp_path):
    asker = Scripted(lambda prompt: saying(BOX))
    rows = scored(five, answered(five, asker, tmp_path / "a"), RULES)
    assert [row.outcome for row in rows] == ["found"] * 5
    assert all(row.iou == pytest.approx(1.0) and row.seconds == 0.5 for row in rows)
    again = Scripted(lambda prompt: saying(None))
    assert scored(five, answered(five, again, tmp_path / "a"), RULES) == rows
    assert not again.asked


def test_a_run_that_is_cut_off_goes_on_where_it_was(five, tmp_path):
    told = iter([saying(BOX), saying(BOX), EngineError("engine_closed", "gone")])
    with pytest.raises(EngineError):
        answered(five, Scripted(lambda prompt: next(told)), tmp_path / "a")
    later = Scripted(lambda prompt: saying(BOX))
    assert len(answered(five, later, tmp_path / "a").answers) == 5
    assert len(later.asked) == 3


def test_what_failed_counts_as_wrong_and_is_asked_anew(five, tmp_path):
    def says(prompt):
        return ValueError("engine_http_400: no") if "cup 3" in prompt else saying(BOX)

    rows = scored(five, answered(five, Scripted(says), tmp_path / "a"), RULES)
    assert [row.outcome for row in rows].count("failed") == 1
    failed = next(row for row in rows if row.outcome == "failed")
    assert (failed.iou, failed.reason) == (0.0, "engine_http_400: no")
    later = Scripted(lambda prompt: saying(BOX))
    assert not answered(five, later, tmp_path / "a").failed
    assert len(later.asked) == 1


def test_a_budget_of_requests_holds_over_all_runs(five, tmp_path):
    asker = Scripted(lambda prompt: saying(BOX))
    first = answered(five, asker, tmp_path / "a", Budget(requests=3))
    assert (len(first.answers), first.unasked, first.requests) == (3, 2, 3)
    assert answered(five, asker, tmp_path / "a", Budget(requests=3)).unasked == 2
    assert answered(five, asker, tmp_path / "a", Budget(requests=4)).unasked == 1
    assert len(asker.asked) == 4
    assert len(scored(five, first, RULES)) == 3


def test_a_budget_of_tokens_is_never_passed_whatever_answers_may_take(five, tmp_path):
    asker = Scripted(lambda prompt: saying(BOX), {"total_tokens": 1000})
    # A question may take 4,096 tokens and its own; it takes 1,000.
    outcome = answered(five, asker, tmp_path / "a", Budget(tokens=6500))
    assert (len(outcome.answers), outcome.tokens) == (3, 3000)
    assert outcome.tokens + 4096 > 6500 - 1000
    assert answered(five, asker, tmp_path / "a", Budget(tokens=100_000)).unasked == 0


@pytest.mark.parametrize("budget", [Budget(requests=3), Budget(tokens=3 * 4400)])
def test_two_runs_at_a_time_keep_to_one_budget_together(five, tmp_path, budget):
    both, met = threading.Barrier(2), threading.local()

    def says(prompt):
        # The first question of each run is under way at the same time as the other's.
        if not hasattr(met, "other"):
            met.other = both.wait(20)
        return saying(BOX)

    askers = [Scripted(says, {"total_tokens": 4300}) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda asker: answered(five, asker, tmp_path / "a", budget), askers))
    assert sum(len(asker.asked) for asker in askers) == 3


def test_repeated_attempts_keep_to_a_budget_of_tokens(five, tmp_path):
    class Down(Idle):
        asked = 0

        def generate(self, request):
            self.asked += 1
            raise EngineError("engine_http_500", "down")

    engine = Down()
    asker = SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), MODEL, 1, first_wait=0.0)
    outcome = ask(five[:1], asker, tmp_path / "a", Budget(tokens=3 * 4300))
    assert engine.asked == 3 == outcome.requests
    assert "the budget allows no further attempt" in next(iter(outcome.failed.values()))


def test_the_key_holds_the_pixels_the_prompt_and_the_settings(tmp_path):
    one, other = picture(tmp_path, "a.png"), picture(tmp_path, "b.png", grey=91)
    same = picture(tmp_path, "c.png")
    found = questions(tmp_path, [sample(path) for path in (one, other, same)] + [sample(one, "the blue mug")])
    keys = [plan.job.key for plan in planned(found)]
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3
    assert keys[0] != planned(found, max_pixels=40_000)[0].job.key


def test_every_engine_is_sent_the_same_pixels(tmp_path):
    image = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "n.png"), image)
    found = questions(tmp_path, [sample(tmp_path / "n.png")])
    digests = {planned(found, max_pixels=20_000)[0].picture.digest for _ in range(2)}
    assert len(digests) == 1
    assert digests != {planned(found)[0].picture.digest}


def test_pictures_that_are_missing_or_another_size_are_failed_and_say_so(tmp_path):
    image = picture(tmp_path)
    found = planned(questions(tmp_path, [sample(image), sample(tmp_path / "no.png"), sample(image, width=399)]))
    rows = scored(found, answered(found, Scripted(lambda prompt: saying(BOX)), tmp_path / "a"), RULES)
    assert [row.outcome for row in rows] == ["found", "failed", "failed"]
    assert "no.png is not there" in rows[1].reason
    assert "its sample says 399 x 200" in rows[2].reason


@pytest.mark.parametrize(("text", "outcome"), [("no idea", "malformed"), (saying(None), "absent")])
def test_answers_without_a_box_stay_in_the_denominator(five, tmp_path, text, outcome):
    rows = scored(five, answered(five, Scripted(lambda prompt: text), tmp_path / "a"), RULES)
    assert [(row.outcome, row.iou) for row in rows] == [(outcome, 0.0)] * 5


def test_tokens_of_failed_attempts_are_counted_over_all_runs(tmp_path):
    found = planned(questions(tmp_path, [sample(picture(tmp_path))]))
    job = found[0].job
    assert job is not None

    class Failing(Idle):
        left = 2

        def generate(self, request):
            if self.left:
                self.left -= 1
                error = EngineError("engine_http_500" if self.left else "engine_request", "withheld")
                error.usage = {"prompt_tokens": 100, "completion_tokens": 20}
                raise error
            yield Chunk(saying(BOX), (), "stop")

    asker = SideBySide(Failing(), lambda reference: np.zeros((8, 8, 3), np.uint8), MODEL, 1, first_wait=0.0)
    first = ask(found, asker, tmp_path / "a")
    assert (len(first.failed), first.tokens) == (1, 240)
    second = ask(found, asker, tmp_path / "a")
    assert not second.failed and second.tokens > 240
    third = ask(found, asker, tmp_path / "a")
    assert third.tokens == second.tokens
