"""What the server refuses, in OpenAI's shape: requests, pictures, sizes, keys."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from requests_made import body, post

from egm_core.serve.protocol import Refusal
from egm_core.serve.reading import parse, read_data_url


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "gpt-9"}, 404, "memorising_qwen"),
        ({"n": 2}, 400, "one answer"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"temperature": -1}, 400, "temperature"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "hello"}]}, 400, "image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]}, 400, "0 pictures"),
        ({"response_format": {"type": "xml"}}, 400, "json_schema"),
        ({"response_format": {"type": "json_schema"}}, 400, "json_schema.schema"),
        ({"structured_outputs": {"grammar": "x"}}, 400, "regex"),
        ({"structured_outputs": {"regex": "["}}, 400, "grammar cannot be used"),
        (
            {
                "structured_outputs": {"regex": "x"},
                "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
            },
            400,
            "not both",
        ),
    ],
)
def test_refuses_in_openais_shape(url: str, data_url: str, change: dict[str, Any], status: int, words: str) -> None:
    answer = post(url, body(data_url) | change)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert words in error["message"]
    assert (error["code"], error["type"]) == (status, "not_found" if status == 404 else "invalid_request_error")


def test_refuses_what_is_no_json_and_no_path_of_its_own(url: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)
    lost = httpx.get(f"{url}/v2/nothing")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("http://example.com/mug.png", "fetches nothing"),
        ("file:///etc/passwd", "fetches nothing"),
        ("data:text/plain;base64,aGk=", "not an image"),
        ("data:image/png,raw", "not an image"),
        ("data:image/png;base64,@@@", "base64 is broken"),
        ("data:image/png;base64,aGVsbG8=", "cannot be decoded"),
        ("data:image/png;base64,", "cannot be decoded"),
    ],
)
def test_only_pictures_as_data_urls(image: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        read_data_url(image)
    assert caught.value.status == 400


def png_of(width: int, height: int) -> bytes:
    """A picture that says it is large; its pixels are missing, so that only its header can refuse it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + b"\0\0\0\0IDAT"


def test_a_picture_too_large_is_refused_by_its_header() -> None:
    for size in ((30_000, 30_000), (12_000, 8_000)):
        url = "data:image/png;base64," + base64.b64encode(png_of(*size)).decode()
        with pytest.raises(Refusal, match=rf"{size[0]} x|too large"):
            read_data_url(url)


@pytest.mark.parametrize(
    "text",
    [
        '{"messages": [{"role": "user", "content": [{"type": "text", "text": "\\ud800"}]}]}',
        '{"messages": [{"role": "\\udfff", "content": "x"}], "model": "\\ud800"}',
        '{"messages": null}',
        "[" * 100_000,
        "9" * 10_000,
        "null",
        "\x00",
        '{"seed": 1e400}',
    ],
)
def test_what_is_no_request_is_400_in_openais_shape(url: str, text: str) -> None:
    answer = httpx.post(f"{url}/v1/chat/completions", content=text.encode(), timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2**64},
        {"seed": -(2**63) - 1},
        {"seed": 10**400},
        {"repetition_penalty": 1e-300},
        {"chat_template_kwargs": {"tokenize": True}},
        {"chat_template_kwargs": {"messages": "x"}},
        {"structured_outputs": {"regex": "a" * 20_000}},
        {"messages": [{"role": "user", "content": "x"}] * 2},
    ],
)
def test_what_cannot_be_is_400(url: str, data_url: str, change: dict[str, Any]) -> None:
    answer = post(url, body(data_url) | change)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_prompt_beyond_the_context_is_400(url: str, data_url: str) -> None:
    asked = body(data_url)
    asked["messages"][0]["content"][1]["text"] = "mug " * 30_000
    answer = post(url, asked)
    assert (answer.status_code, "ask shorter" in answer.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("told", [True, False])
def test_a_body_too_large_is_413_whether_its_length_is_told_or_not(url: str, told: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 1_000_000

    content = b" " * 40_000_000 if told else pieces()
    answer = httpx.post(f"{url}/v1/chat/completions", content=content, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, 413)
    assert httpx.get(f"{url}/health").json()["open"] == 0


def test_a_million_values_are_refused_without_making_them() -> None:
    with pytest.raises(Refusal, match="values") as caught:
        parse(b'{"messages": [' + b'{"role": "user", "content": "x"},' * 900_000 + b"{}]}")
    assert caught.value.status == 400
