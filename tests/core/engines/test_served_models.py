"""Which of a server's models is asked, and what happens when the server comes back with another one."""

from __future__ import annotations

from collections.abc import Iterator

import misbehaving
import numpy as np
import pytest

from egm_core.engines import EngineError, Request, collect
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.http.served_models import Listed, Wanted, choose, read_list, unknown_model
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.shares import Evaluation

QUICK = Timeouts(connect=2.0, read=2.0, total=4.0)
IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server


def chosen(names: list[str], wanted: Wanted) -> str:
    return choose([Listed(name) for name in names], wanted, "http://gpu:8000").name


def ask(engine: OpenAIEngine) -> str:
    return collect(engine.generate(Request("one", IMAGE, "the red mug"))).text


def test_a_folder_s_path_or_name_finds_its_model_among_others() -> None:
    whole = Wanted(known_as=("/robot/whole", "whole"), alone=False)
    assert chosen(["/models/seen", "/models/whole"], whole) == "/models/whole"
    assert chosen(["seen", "whole"], whole) == "whole"
    assert chosen(["whole", "/robot/whole"], whole) == "/robot/whole"


def test_the_only_model_is_taken_whatever_its_name_unless_two_are_wanted() -> None:
    assert chosen(["base"], Wanted(known_as=("seen",))) == "base"
    assert chosen(["base"], Wanted()) == "base"
    aliases = [Listed("short", root="/models/base"), Listed("long", root="/models/base")]
    assert choose(aliases, Wanted(), "http://gpu:8000").name == "short"
    with pytest.raises(EngineError, match=r"'base', and none is called 'seen'; .*--served-model-name"):
        chosen(["base"], Wanted(known_as=("seen",), alone=False))


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(known_as=("seen",)), Wanted("seen"), Wanted(known_as=("c",))])
def test_between_two_models_nothing_is_guessed(wanted: Wanted) -> None:
    with pytest.raises(EngineError, match="serves 'a', 'b'") as caught:
        chosen(["a", "b"], wanted)
    assert caught.value.reason == "engine_wrong_model"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["/a/seen", "/b/seen"], Wanted(known_as=("seen",))),
        (["/models/seen", "other"], Wanted("seen")),
        (["base"], Wanted("seen")),
    ],
)
def test_a_name_that_fits_two_or_not_to_the_letter_is_no_name(names: list[str], wanted: Wanted) -> None:
    with pytest.raises(EngineError, match="none is called 'seen'"):
        chosen(names, wanted)


@pytest.mark.parametrize("text", ["<html>", "{}", "[]", '{"data": [7]}', '{"data": null}', '{"data": []}'])
def test_what_is_no_list_of_models_is_told(text: str) -> None:
    with pytest.raises(EngineError, match="/v1/models of http://gpu") as caught:
        read_list(text, "http://gpu")
    assert caught.value.reason == "engine_garbage"


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (404, "", True),
        (400, "picture not found", False),
        (404, "The model `x` does not exist.", True),
        (400, "Model not found: x", True),
        (400, "'max_tokens' is too large: the model has 1024", False),
        (500, "model not found", False),
    ],
)
def test_the_refusal_of_an_unknown_model_is_known(status: int, text: str, expected: bool) -> None:
    assert unknown_model(status, text) is expected


def test_a_server_that_came_back_with_another_model_is_asked_for_that(server: misbehaving.Server) -> None:
    server.models = ["says:one"]
    with OpenAIEngine(server.url, timeouts=QUICK) as engine:
        assert ask(engine) == "one"
        server.models = ["says:two"]
        assert ask(engine) == "two"
        assert engine.health().model == "says:two"


def test_where_the_new_model_is_not_clear_health_says_so_until_it_is(server: misbehaving.Server) -> None:
    server.models = ["says:one"]
    with OpenAIEngine(server.url, timeouts=QUICK) as engine:
        assert ask(engine) == "one"
        server.models = ["says:two", "says:three"]
        for _ in range(2):
            with pytest.raises(EngineError, match="'says:two', 'says:three'") as caught:
                ask(engine)
            assert caught.value.reason == "engine_wrong_model"
        health = engine.health()
        assert health.state == "failed"
        assert "says:three" in health.detail
        server.models = ["says:three"]
        assert engine.health().state == "ready"
        assert ask(engine) == "three"


@pytest.mark.parametrize("dialect", ["auto", "openai"])
def test_a_model_asked_by_name_is_never_replaced_by_another(server: misbehaving.Server, dialect: str) -> None:
    server.models = ["says:one"]
    with OpenAIEngine(server.url, "says:one", dialect=dialect, timeouts=QUICK) as engine:
        assert ask(engine) == "one"
        server.models = ["says:two"]
        with pytest.raises(EngineError, match="serves 'says:two', and none is called 'says:one'"):
            ask(engine)
        assert engine.health().state == "failed"
        server.models = ["says:one"]
        assert engine.health().state == "ready"
        assert ask(engine) == "one"


def test_a_server_that_was_away_is_described_anew(server: misbehaving.Server) -> None:
    with OpenAIEngine(server.url, timeouts=QUICK) as engine:
        assert (engine.health().model, engine.kind()) == ("says:hello", "openai")
        server.health = (503, b"{}")
        assert engine.health().state == "starting"
        server.health, server.model, server.owner = (200, b"{}"), "says:bye", "vllm"
        assert (engine.health().model, engine.kind()) == ("says:bye", "vllm")


@pytest.mark.parametrize(("precision", "kind"), [("fp8", "vllm fp8"), ("bfloat16", "vllm"), ("auto", "vllm")])
def test_quantised_weights_are_another_kind_of_engine(server: misbehaving.Server, precision: str, kind: str) -> None:
    server.owner = "vllm"
    with OpenAIEngine(server.url, timeouts=QUICK, precision=precision) as engine:
        assert engine.kind() == kind
    assert Evaluation(engine_url=server.url, precision=precision).engine_kind == kind
