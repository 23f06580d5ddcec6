"""The reader of event streams, on any input."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.engines import Chunk, EngineError, Token
from egm_core.engines.http.sse import Reader, error_message, lines


def data(delta: dict[str, object], finish: str | None = None, tokens: list[tuple[str, object]] | None = None) -> str:
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


def test_of_several_choices_the_one_of_index_0_is_read() -> None:
    def told(index: int, text: str, field: str = "message") -> dict[str, object]:
        return {"index": index, field: {"content": text}, "finish_reason": "stop"}

    chunk = Reader().event({"choices": [told(1, "the second"), told(0, "the first")]}, "message")
    assert chunk is not None and chunk.text == "the first"
    reader = Reader()
    events = [[told(0, "a", "delta")], [told(1, "x", "delta")], [told(1, "y", "delta"), told(0, "b", "delta")]]
    chunks = [reader.event({"choices": choices}, "delta") for choices in events]
    assert "".join(chunk.text for chunk in chunks if chunk) == "ab"


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


@pytest.mark.parametrize("value", [None, float("nan"), float("-inf"), "-inf", True])
def test_a_probability_that_is_no_number_is_one_that_is_not_known(value: object) -> None:
    assert Reader().line(data({"content": "12"}, None, [("1", value), ("2", -0.5)])) == Chunk(
        "12", (Token("1"), Token("2", -0.5))
    )


def test_no_probability_is_above_one() -> None:
    assert Reader().line(data({"content": "1"}, None, [("1", 1e-7)])) == Chunk("1", (Token("1", 0.0),))


def test_a_token_told_before_its_text_keeps_its_probability() -> None:
    reader = Reader()
    assert reader.line(data({"content": ""}, None, [("1", -0.1)])) is None
    assert reader.line(data({"content": "12"}, None, [("2", -0.2)])) == Chunk(
        "12", (Token("1", -0.1), Token("2", -0.2))
    )


def test_a_half_character_costs_no_text() -> None:
    reader = Reader()
    chunks = [
        reader.line(data({"content": ""}, None, [("bytes:\\xc3", -0.1)])),
        reader.line(data({"content": "é1"}, None, [("\ufffd", -0.1), ("1", -0.3)])),
    ]
    assert chunks == [None, Chunk("é1", (Token("é"), Token("1", -0.3)))]


@pytest.mark.parametrize(
    ("told", "finish"),
    [("STOP", "stop"), ("eos_token", "stop"), ("MAX_TOKENS", "length"), ("cancelled", "abort"), ("abort", "abort")],
)
def test_finish_reasons_of_other_servers(told: str, finish: str) -> None:
    assert Reader().line(data({"content": "a"}, told)) == Chunk("a", (), finish)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("error", "engine_failed"),
        ("failed", "engine_failed"),
        ("content_filter", "engine_request"),
        ("content_filter: RECITATION", "engine_request"),
        ("PROHIBITED_CONTENT", "engine_request"),
        ("refusal", "engine_request"),
    ],
)
def test_an_answer_that_the_server_gave_up_is_an_error_by_its_name(told: str, reason: str) -> None:
    with pytest.raises(EngineError, match=told) as caught:
        Reader().line(data({"content": "half"}, told))
    assert caught.value.reason == reason


def test_an_unknown_finish_reason_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert Reader().line(data({"content": "a"}, "tired")) == Chunk("a", (), "stop")
    assert "tired" in caplog.text


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"error": {"message": "no memory", "code": 500}}, "engine_http_500"),
        ({"error": {"message": "too long", "code": 400}}, "engine_http_400"),
        ({"error": {"message": "odd", "code": "server_error"}}, "engine_failed"),
        ({"object": "error", "message": "old vLLM", "code": 400}, "engine_http_400"),
        ({"error": "plain"}, "engine_failed"),
    ],
)
def test_an_error_within_the_stream_keeps_its_code(event: dict[str, object], reason: str) -> None:
    with pytest.raises(EngineError) as caught:
        Reader().line("data: " + json.dumps(event))
    assert caught.value.reason == reason


def test_an_event_named_error_is_one() -> None:
    reader = Reader()
    assert reader.line("event: error") is None
    with pytest.raises(EngineError, match="gone"):
        reader.line('data: {"message": "gone"}')


@pytest.mark.parametrize(
    "ping", [["data:"], ["event: ping", 'data: {"n": 1}', ""], ['data: {"type": "ping"}'], [": x"]]
)
def test_signs_of_life_are_passed_over(ping: list[str]) -> None:
    reader = Reader()
    assert [reader.line(line) for line in ping] == [None] * len(ping)
    assert reader.line(data({"content": "a"})) == Chunk("a")


def test_an_event_may_go_over_several_lines() -> None:
    reader = Reader()
    assert reader.line('data: {"choices": [{"delta":') is None
    assert reader.line('data: {"content": "a"}}]}') == Chunk("a")
    assert reader.line('data: {"choices"') is None
    with pytest.raises(EngineError, match="not JSON"):
        reader.line("")


@given(st.lists(st.text("ab\r\n", max_size=4)))
def test_lines_are_the_same_however_they_are_cut(pieces: list[str]) -> None:
    async def sent() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece.encode()

    async def read() -> list[str]:
        return [line async for line in lines(sent())]

    *whole, rest = re.split("\r\n|\n|\r", "".join(pieces))
    assert asyncio.run(read()) == whole + ([rest] if rest else [])


def test_a_line_in_thousands_of_pieces_takes_no_longer_than_its_length() -> None:
    """Joined anew with each piece, it would keep all other answers of the engine waiting for many seconds."""

    async def sent() -> AsyncIterator[bytes]:
        for _ in range(40_000):
            yield b"x" * 2048

    async def read() -> list[str]:
        return [line async for line in lines(sent())]

    began = time.process_time()
    assert len(asyncio.run(read())[0]) == 40_000 * 2048
    assert time.process_time() - began < 5


@given(st.lists(st.binary(max_size=8)), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_end_where_events_say_and_nowhere_else(pieces: list[bytes], end: str) -> None:
    text = "a\u2028b\x85c\x0b" + end + "d" + end
    whole = text.encode()
    cuts = [sum(len(p) for p in pieces[:i]) % (len(whole) + 1) for i in range(len(pieces))]

    async def sent() -> AsyncIterator[bytes]:
        before = 0
        for cut in [*sorted(cuts), len(whole)]:
            yield whole[before:cut]
            before = cut

    async def read() -> list[str]:
        return [line async for line in lines(sent()) if line]

    assert asyncio.run(read()) == ["a\u2028b\x85c\x0b", "d"]
