"""What only the engine in this process does: batches, loading, and keeping quiet."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ABSENT, FOUND, memorised_answers
from numpy.typing import NDArray

from egm_core.engines import EngineError, Request, Sampling, collect
from egm_core.engines.local import TransformersEngine
from egm_core.families import family

PROMPT = family("qwen3_vl").prompt(FOUND, "visible")


@pytest.fixture(scope="module")
def engine(memorising_qwen: Path) -> Iterator[TransformersEngine]:
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)
        yield engine


def requests(count: int) -> list[Request]:
    rng = np.random.default_rng(5)
    speaker = family("qwen3_vl")
    pictures = [rng.integers(0, 256, (64 + 32 * (n % 3), 96, 3), np.uint8) for n in range(count)]
    return [
        Request(f"{n}-{task}", picture, speaker.prompt(FOUND if n % 2 else ABSENT, task), Sampling(max_tokens=64 + n))
        for n, picture in enumerate(pictures)
        for task in ("visible", "amodal")
    ]


def test_a_batch_answers_like_one_by_one_and_keeps_the_order(engine: TransformersEngine) -> None:
    asked = requests(10)
    together = engine.generate_batch(asked, batch_size=8)
    one_by_one = [collect(engine.generate(request)) for request in asked]
    assert [answer.text for answer in together] == [answer.text for answer in one_by_one]
    known = memorised_answers()
    tasks = ("visible", "amodal")
    assert [a.text for a in together] == [known[FOUND if n % 2 else ABSENT, t] for n in range(10) for t in tasks]
    for ours, theirs in zip(together, one_by_one, strict=True):
        ours_logprobs = [token.logprob for token in ours.tokens]
        np.testing.assert_allclose(ours_logprobs, [token.logprob for token in theirs.tokens], atol=1e-3)


def test_a_batch_may_mix_settings_and_grammars(engine: TransformersEngine, noise: NDArray[np.uint8]) -> None:
    asked = [
        Request("a", noise, PROMPT, Sampling(max_tokens=64)),
        Request("b", noise, PROMPT, Sampling(max_tokens=3)),
        Request("c", noise, PROMPT, Sampling(max_tokens=64), regex="[0-9]{3}"),
        Request("d", noise, PROMPT, Sampling(max_tokens=64, temperature=1.5, seed=1), logprobs=False),
    ]
    a, b, c, d = engine.generate_batch(asked)
    assert (a.finish, b.finish, c.finish) == ("stop", "length", "stop")
    assert len(b.tokens) == 3
    assert c.text.isdigit() and len(c.text) == 3
    assert all(token.logprob is None for token in d.tokens)
    assert d.text == engine.generate_batch([asked[3]])[0].text


def test_an_empty_batch_is_empty(engine: TransformersEngine) -> None:
    assert engine.generate_batch([]) == []


def test_a_picture_is_preprocessed_once(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine._checkpoint is not None
    made = []
    original = engine._checkpoint.picture
    monkeypatch.setattr(engine._checkpoint, "picture", lambda image: made.append(1) or original(image))
    image = np.full((64, 96, 3), 77, np.uint8)
    engine.generate_batch([Request(str(n), image.copy(), PROMPT, Sampling(max_tokens=1)) for n in range(5)])
    assert len(made) == 1
    engine.generate_batch([Request("turned", np.full((96, 64, 3), 77, np.uint8), PROMPT, Sampling(max_tokens=1))])
    assert len(made) == 2


def test_greedy_decoding_gives_no_warning(
    engine: TransformersEngine,
    noise: NDArray[np.uint8],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collect(engine.generate(Request("quiet", noise, PROMPT, Sampling(max_tokens=4))))
        collect(engine.generate(Request("hot", noise, PROMPT, Sampling(max_tokens=4, temperature=0.7, top_p=0.9))))
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_a_checkpoints_own_sampling_settings_do_not_count(
    memorising_qwen: Path, tmp_path: Path, noise: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    for file in memorising_qwen.iterdir():
        if file.name != "generation_config.json":
            (tmp_path / file.name).symlink_to(file)
    own = json.loads((memorising_qwen / "generation_config.json").read_text())
    own |= {"do_sample": True, "temperature": 9.0, "top_k": 500, "top_p": 0.99, "repetition_penalty": 4.0}
    (tmp_path / "generation_config.json").write_text(json.dumps(own))
    with TransformersEngine(tmp_path, threads=1) as engine:
        engine.wait_ready(120)
        answer = collect(engine.generate(Request("own", noise, PROMPT, Sampling(max_tokens=64))))
    assert answer.text == memorised_answers()[FOUND, "visible"]
    assert not caplog.records


def test_a_repetition_penalty_changes_the_answer(engine: TransformersEngine, noise: NDArray[np.uint8]) -> None:
    sampling = Sampling(max_tokens=64, repetition_penalty=5.0)
    assert collect(engine.generate(Request("r", noise, PROMPT, sampling))).text != memorised_answers()[FOUND, "visible"]


def test_trouble_in_the_model_is_the_requests_error_and_the_engine_lives_on(
    engine: TransformersEngine, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine._checkpoint is not None
    before = engine.counts().failed

    def fail(**inputs: object) -> None:
        raise RuntimeError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine._checkpoint.model, "generate", fail)
        with pytest.raises(EngineError, match="out of memory") as caught:
            collect(engine.generate(Request("doomed", noise, PROMPT)))
    assert caught.value.reason == "engine_failed"
    assert collect(engine.generate(Request("next", noise, PROMPT, Sampling(max_tokens=64)))).finish == "stop"
    assert engine.counts().failed == before + 1


def test_an_answer_builds_no_configuration_of_the_model(
    engine: TransformersEngine, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine._checkpoint is not None
    built: list[object] = []
    kind = type(engine._checkpoint.model.config)
    original = kind.__init__
    monkeypatch.setattr(kind, "__init__", lambda self, **values: built.append(self) or original(self, **values))
    assert collect(engine.generate(Request("once", noise, PROMPT, Sampling(max_tokens=64)))).finish == "stop"
    assert not built


def test_the_tables_for_grammars_are_there_before_the_first_query(
    memorising_qwen: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)

        def late(*given: object) -> None:
            raise AssertionError("built for a query")

        monkeypatch.setattr("egm_core.engines.constrain._Vocabulary", late)
        answer = collect(engine.generate(Request("held", noise, PROMPT, Sampling(max_tokens=9), regex="[0-9]{3}")))
    assert answer.finish == "stop" and answer.text.isdigit()


def test_before_it_is_ready_it_says_so(memorising_qwen: Path, noise: NDArray[np.uint8]) -> None:
    engine = TransformersEngine(memorising_qwen)
    assert engine.health().state == "starting"
    with pytest.raises(EngineError) as caught:
        engine.generate(Request("early", noise, PROMPT))
    assert caught.value.reason == "engine_not_ready"


def test_a_folder_that_cannot_be_loaded_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    with TransformersEngine(tmp_path) as engine:
        with pytest.raises(EngineError) as caught:
            engine.wait_ready(120)
        assert caught.value.reason == "engine_failed"
        assert engine.health().state == "failed"


def test_a_closed_engine_says_so(memorising_qwen: Path, noise: NDArray[np.uint8]) -> None:
    engine = TransformersEngine(memorising_qwen, threads=1)
    engine.start()
    engine.wait_ready(120)
    stream = engine.generate(Request("long", noise, "x", Sampling(max_tokens=3000), regex="[a-z]{3000}"))
    next(stream)
    engine.close()
    engine.close()
    assert collect(stream).finish == "abort"
    assert engine.health().state == "closed"
    with pytest.raises(EngineError) as caught:
        engine.generate(Request("late", noise, PROMPT))
    assert caught.value.reason == "engine_closed"


@pytest.mark.parametrize(
    "wrong", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}, {"repetition_penalty": 0.0}]
)
def test_impossible_sampling_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Sampling(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)])
def test_what_is_no_picture_is_refused(image: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="RGB"):
        Request("a", image, "p")  # type: ignore[arg-type]


def test_an_answer_ends_where_the_models_context_does(
    engine: TransformersEngine, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = engine._checkpoint
    assert checkpoint is not None
    asked = len(checkpoint.ids("x", checkpoint.picture(noise)))
    monkeypatch.setattr(checkpoint.model.config.get_text_config(), "max_position_embeddings", asked + 5)
    answer = collect(engine.generate(Request("a", noise, "x", Sampling(max_tokens=50), regex="[a-z]{100}")))
    assert (answer.finish, len(answer.tokens)) == ("length", 5)
    monkeypatch.setattr(checkpoint.model.config.get_text_config(), "max_position_embeddings", asked)
    with pytest.raises(EngineError, match=f"{asked} tokens") as caught:
        engine.generate(Request("b", noise, "x"))
    assert caught.value.reason == "engine_request"
