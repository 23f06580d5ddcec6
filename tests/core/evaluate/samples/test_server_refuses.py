"""A server that fails once, refuses some questions, or says nothing at all: only the last ends an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from sample_oracles import BOX, MODEL, picture, planned, questions, sample, saying

from egm_core.asking.job import Answer
from egm_core.asking.store import Store
from egm_core.engines.base import Chunk, Engine, EngineError, Health
from egm_core.engines.http.sse import Reader
from egm_core.evaluate.samples.asking import ask
from egm_core.evaluate.samples.side_by_side import SideBySide


class Told(Engine):
    """Answers as `says` tells by the prompt and how often anything was asked: a chunk, or an error."""

    def __init__(self, says: Callable[[str, int], Chunk | EngineError]) -> None:
        self.says, self.asked = says, []

    def generate(self, request):
        self.asked.append(request.prompt)
        said = self.says(request.prompt, len(self.asked))
        if isinstance(said, EngineError):
            raise said
        yield said

    def abort(self, request_id):
        pass

    def health(self):
        return Health("ready")

    def close(self):
        pass


GOOD = Chunk(saying(BOX), (), "stop")


@pytest.fixture
def forty(tmp_path):
    image = picture(tmp_path)
    return planned(questions(tmp_path, [sample(image, f"cup {n:02}") for n in range(40)]))


def run(found, engine: Engine, file):
    asker = SideBySide(engine, lambda reference: np.zeros((8, 8, 3), np.uint8), MODEL, 1, first_wait=0.0)
    return ask(found, asker, file)


def in_stream(error: dict[str, object]) -> EngineError:
    with pytest.raises(EngineError) as caught:
        Reader().line("data: " + json.dumps(error))
    return caught.value


PASSING = [
    in_stream({"error": {"type": "overloaded_error", "message": "Overloaded"}}),
    in_stream({"error": {"type": "server_error", "code": None, "message": "try again"}}),
    in_stream({"error": {"type": "server_error", "code": "server_error", "message": "x"}}),
    in_stream({"choices": [{"delta": {"content": "half"}, "finish_reason": "error"}]}),
    EngineError("engine_http_401", "x"),
    EngineError("engine_http_403", "blocked by moderation"),
    EngineError("engine_http_404", "no route to model worker"),
    Chunk("[{", (), "abort"),
]


@pytest.mark.parametrize("odd", PASSING, ids=str)
def test_one_failure_of_the_server_costs_nothing_but_another_attempt(forty, tmp_path, odd):
    engine = Told(lambda prompt, count: odd if count == 1 else GOOD)
    outcome = run(forty[:3], engine, tmp_path / "a")
    assert (len(outcome.answers), outcome.failed, len(engine.asked)) == (3, {}, 4)


@pytest.mark.parametrize("odd", PASSING[:4] + PASSING[5:], ids=str)
def test_a_question_that_fails_each_time_is_counted_failed_and_the_run_goes_on(forty, tmp_path, odd):
    engine = Told(lambda prompt, count: odd if "cup 01" in prompt else GOOD)
    outcome = run(forty[:3], engine, tmp_path / "a")
    assert (len(outcome.answers), len(outcome.failed)) == (2, 1)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_refusals_of_questions_end_no_run_however_many_they_are(forty, tmp_path, status):
    engine = Told(
        lambda prompt, count: EngineError(f"engine_http_{status}", "content policy") if "cup 39" not in prompt else GOOD
    )
    outcome = run(forty, engine, tmp_path / "a")
    assert (len(outcome.answers), len(outcome.failed)) == (1, 39)


@pytest.mark.parametrize(
    "odd",
    [
        EngineError("engine_http_500", "boom"),
        EngineError("engine_http_404", "model gone"),
        EngineError("engine_cut_stream", "broke"),
        EngineError("engine_http_401", "wrong key"),
    ],
    ids=str,
)
def test_a_server_that_answers_nothing_at_all_ends_the_run(forty, tmp_path, odd):
    engine = Told(lambda prompt, count: odd)
    with pytest.raises(EngineError):
        run(forty, engine, tmp_path / "a")
    assert len(set(engine.asked)) < 40


def test_what_failed_before_is_asked_last(forty, tmp_path):
    run(forty[:4], Told(lambda prompt, count: GOOD if "cup 03" in prompt else EngineError("engine_http_400", "no")),
        tmp_path / "a")  # fmt: skip
    later = Told(lambda prompt, count: GOOD)
    run(forty[:6], later, tmp_path / "a")
    assert ["cup 04" in later.asked[0], "cup 05" in later.asked[1]] == [True, True]
    assert len(later.asked) == 5


def test_an_answer_that_was_given_up_and_kept_by_an_earlier_version_is_asked_anew(forty, tmp_path):
    with Store(tmp_path / "a", {"what": "answers of egm evaluate", **MODEL}) as store:
        for one in forty[:2]:
            store.add(Answer(one.job.key, "[{", "abort" if one is forty[0] else "stop"))
    engine = Told(lambda prompt, count: GOOD)
    outcome = run(forty[:2], engine, tmp_path / "a")
    assert len(engine.asked) == 1 and outcome.answers[forty[0].job.key].text == GOOD.text
