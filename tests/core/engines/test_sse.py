"""The reader of event streams, on any input."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.engines import Chunk, EngineError, Token
from egm_core.engines.sse import Reader, error_message


def data(delta: dict[str, object], finish: str | None = None, tokens: list[tuple[str, float]] | None = None) -> str:
    choice: dict[str, object] = {"delta": delta, "finish_reason": finish}
    if tokens is not None:
        choice["logprobs"] = {"content": [{"token": token, "logprob": logprob} for token, logprob in tokens]}
    return "data: " + json.dumps({"choices": [choice]})


@given(st.text())
def test_any_line_gives_a_chunk_or_a_named_error(line: str) -> None:
    try:
        chunk = Reader().line(line)
    except EngineError as error:
        assert error.reason in ("engine_garbage", "engine_failed")
    else:
        assert chunk is None or isinstance(chunk, Chunk)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["choices", "delta", "content", "logprobs", "error", "token", "finish_reason"]), x
            )
        ),
    )
)
def test_any_json_gives_a_chunk_or_a_named_error(value: object) -> None:
    try:
        Reader().line("data: " + json.dumps(value))
    except EngineError as error:
        assert error.reason in ("engine_garbage", "engine_failed")


def test_comments_and_other_fields_are_passed_over() -> None:
    reader = Reader()
    assert [reader.line(line) for line in (": ping", "", "event: x", "id: 3", "retry: 5")] == [None] * 5


def test_the_end_token_is_no_part_of_the_answer() -> None:
    reader = Reader()
    assert reader.line(data({"content": "a"}, None, [("a", -0.1)])) == Chunk("a", (Token("a", -0.1),))
    assert reader.line(data({"content": ""}, "stop", [("<|im_end|>", 0.0)])) == Chunk("", (), "stop")


def test_tokens_are_laid_along_the_text() -> None:
    chunk = Reader().line(data({"content": "ab12"}, None, [("<s>", -9.0), ("b", -0.1), ("12", -0.2)]))
    assert chunk == Chunk("ab12", (Token("a"), Token("b", -0.1), Token("12", -0.2)))


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_joined(field: str) -> None:
    reader = Reader()
    lines = [data({field: "a "}), data({field: "b"}), data({"content": "c"}), data({}, "length")]
    chunks = [chunk for chunk in map(reader.line, lines) if chunk]
    assert "".join(chunk.text for chunk in chunks) == "<think>a b</think>c"
    assert chunks[-1].finish == "length"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "no"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"detail": "no"}', "no"),
        ('{"message": "no"}', "no"),
        ("plain  \n no", "plain no"),
        ("[1]", "[1]"),
    ],
)
def test_messages_are_found_in_error_bodies(body: str, message: str) -> None:
    assert error_message(body) == message
