"""What each kind of server is asked, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from egm_core.engines import Request, Sampling
from egm_core.engines.http.chat_body import Unsendable, settings_of
from egm_core.servers.known import DIALECTS, SERVERS, dialect_of

IMAGE = np.zeros((8, 8, 3), np.uint8)
SCHEMA = {"type": "array", "maxItems": 1}
STANDARD = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
OWNERS = {
    "vllm": "vllm",
    "egm_core": "egm",
    "sglang": "sglang",
    "tensorrt_llm": "trtllm",
    "tensorrt-edgellm": "edgellm",
    "llamacpp": "llamacpp",
    "library": "ollama",
    "": "openai",
    "somebody": "openai",
}


@pytest.mark.parametrize(
    ("dialect", "regex_fields", "schema_fields"),
    [
        ("openai", {}, {"response_format": STANDARD}),
        ("vllm", {"structured_outputs": {"regex": "[0-9]"}}, {"response_format": STANDARD}),
        ("egm", {"structured_outputs": {"regex": "[0-9]"}}, {"response_format": STANDARD}),
        ("sglang", {"regex": "[0-9]"}, {"response_format": STANDARD}),
        (
            "trtllm",
            {"response_format": {"type": "regex", "regex": "[0-9]"}},
            {"response_format": {"type": "json", "schema": SCHEMA}},
        ),
        ("edgellm", {"guided_decoding": {"regex": "[0-9]"}}, {"guided_decoding": {"json_schema": SCHEMA}}),
        ("llamacpp", None, {"response_format": STANDARD}),
        ("ollama", None, {"response_format": STANDARD}),
    ],
)
def test_grammars(dialect: str, regex_fields: dict[str, Any] | None, schema_fields: dict[str, Any]) -> None:
    spoken = DIALECTS[dialect]
    plain = spoken.extra(Request("a", IMAGE, "p"))
    assert spoken.extra(Request("a", IMAGE, "p", json_schema=SCHEMA)) == plain | schema_fields
    with_regex = Request("a", IMAGE, "p", regex="[0-9]")
    if regex_fields is not None:
        assert spoken.extra(with_regex) == plain | regex_fields
        settings_of(with_regex, "m", "max_tokens", spoken)
    else:
        assert spoken.grammar == "none"
        with pytest.raises(Unsendable, match=f"{dialect} takes no regular expression.*edgellm"):
            settings_of(with_regex, "m", "max_tokens", spoken)


def test_every_dialect_is_held_above() -> None:
    assert set(DIALECTS) == {mark.args[1][i][0] for mark in test_grammars.pytestmark for i in range(len(DIALECTS))}


@pytest.mark.parametrize(("owner", "name"), OWNERS.items())
def test_a_server_is_known_by_its_owner(owner: str, name: str) -> None:
    assert dialect_of(owner).name == name
    assert owner == "" or dialect_of(owner.replace("_", "-").upper()).name == name


@pytest.mark.parametrize(
    ("dialect", "limit"),
    [("vllm", -1), ("sglang", -1), ("egm", 0), ("edgellm", 0), ("llamacpp", 0), ("trtllm", 0)],
)
def test_no_limit_on_the_choice_is_told_in_each_ones_number(dialect: str, limit: int) -> None:
    # 1 would make every draw greedy.
    assert DIALECTS[dialect].extra(Request("a", IMAGE, "p", Sampling(temperature=0.7, top_k=0)))["top_k"] == limit


@pytest.mark.parametrize("dialect", ["vllm", "egm", "sglang", "trtllm"])
def test_the_tags_of_an_answer_are_kept(dialect: str) -> None:
    assert DIALECTS[dialect].extra(Request("a", IMAGE, "p"))["skip_special_tokens"] is False


@pytest.mark.parametrize("dialect", ["vllm", "egm", "sglang", "trtllm", "edgellm", "llamacpp"])
@pytest.mark.parametrize("thinks", [True, False])
def test_a_template_s_switch_reaches_every_server_that_has_one(dialect: str, thinks: bool) -> None:
    request = Request("a", IMAGE, "p", template={"enable_thinking": thinks}, reasoning=thinks)
    assert DIALECTS[dialect].extra(request)["chat_template_kwargs"] == {"enable_thinking": thinks}


def test_edgellm_thinks_only_when_told_so_and_knows_one_name_for_it() -> None:
    asked = {
        "wanted": Request("a", IMAGE, "p"),
        "unwanted": Request("a", IMAGE, "p", reasoning=False),
        "other name": Request("a", IMAGE, "p", template={"thinking": True}),
    }
    told = {name: DIALECTS["edgellm"].extra(request)["chat_template_kwargs"] for name, request in asked.items()}
    thinking = {name: told[name]["enable_thinking"] for name in told}
    assert thinking == {"wanted": True, "unwanted": False, "other name": True}


def test_edgellm_is_asked_for_as_many_probabilities_as_it_gives() -> None:
    extra = DIALECTS["edgellm"].extra
    assert extra(Request("a", IMAGE, "p"))["top_logprobs"] == 50
    # Without scores it would be refused.
    assert "top_logprobs" not in extra(Request("a", IMAGE, "p", logprobs=False))


def test_edgellm_s_sampler_always_has_a_limit_and_its_seed_is_not_below_zero() -> None:
    extra = DIALECTS["edgellm"].extra
    open_ended = extra(Request("a", IMAGE, "p", Sampling(temperature=0.7, top_k=0, seed=-1)))
    assert (open_ended["top_k"], open_ended["top_p"], open_ended["seed"]) == (0, 0.9999, 2**64 - 1)
    limited = extra(Request("a", IMAGE, "p", Sampling(temperature=0.7, top_k=0, top_p=0.9, seed=1)))
    assert not {"top_p", "seed"} & set(limited)


def test_what_a_server_would_drop_in_silence_is_refused() -> None:
    penalised = Request("a", IMAGE, "p", Sampling(repetition_penalty=1.1))
    with pytest.raises(Unsendable, match="edgellm knows no repetition penalty"):
        settings_of(penalised, "m", "max_tokens", DIALECTS["edgellm"])


def test_ollama_is_told_not_to_think() -> None:
    assert DIALECTS["ollama"].extra(Request("a", IMAGE, "p")) == {}
    assert DIALECTS["ollama"].extra(Request("a", IMAGE, "p", reasoning=False)) == {"reasoning_effort": "none"}


def test_plain_openai_gets_no_field_it_would_refuse() -> None:
    assert DIALECTS["openai"].extra(Request("a", IMAGE, "p")) == {}


def test_an_engine_s_name_is_that_of_its_dialect() -> None:
    assert {name for name, server in SERVERS.items() if server.dialect.name != name} == {"url"}
