"""What a refusal of a request says about the limit of tokens, in the words of real servers, and what is kept of it."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from egm_core.engines.base import Request, Sampling
from egm_core.engines.http.limits import LimitFields, next_field

LONG = (
    "This model's maximum context length is 2048 tokens. However, you requested 4500 tokens (404 in the messages,"
    " 4096 in the completion)."
)


def refusal(message: str, param: str | None = None, code: str | None = None, wrapped: bool = True) -> str:
    error = {"message": message, "param": param, "code": code}
    return json.dumps({"error": error} if wrapped else error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (refusal(LONG), ""),
        (refusal("Too long.", code="context_length_exceeded"), ""),
        (refusal("max_tokens is too large: 4096", wrapped=False), ""),
        (refusal("The value must be <= 1024", "max_tokens"), ""),
        (
            refusal(
                "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
                "max_tokens",
                "unsupported_parameter",
            ),
            "max_completion_tokens",
        ),
        (refusal("Not with this model.", "max_tokens", "unsupported_parameter"), "max_completion_tokens"),
        (refusal("Not with this model.", "max_tokens"), None),
        ("max_tokens: Extra inputs are not permitted", "max_completion_tokens"),
        (refusal("The picture is too large: at most 20 MB"), None),
        (refusal("Unknown model"), None),
        (refusal("Not supported", "tools", "unsupported_parameter"), None),
        (refusal("max_tokens must be at least 1"), None),
        ('["max_tokens"]', None),
    ],
)
def test_the_field_to_ask_with_next(body: str, expected: str | None) -> None:
    assert next_field("max_tokens", body) == expected


def test_the_other_name_is_tried_once_and_without_any_limit_there_is_nothing_left() -> None:
    unknown = refusal("Unrecognized request argument: max_completion_tokens", "max_completion_tokens")
    assert next_field("max_completion_tokens", unknown) == ""
    assert next_field("", unknown) is None
    assert next_field("", refusal(LONG)) is None


def asked(prompt: str = "prompt", size: int = 8, max_tokens: int = 64) -> Request:
    return Request("x", np.zeros((size, size, 3), np.uint8), prompt, Sampling(max_tokens=max_tokens))


def test_what_worked_is_kept_for_requests_of_that_shape_alone() -> None:
    fields = LimitFields()
    fields.learn(asked(), "", "http://gpu", "too long")
    assert fields.field(asked()) == fields.field(asked("a longer prompt")) == ""
    for other in (asked("short"), asked(size=9), asked(max_tokens=32)):
        assert fields.field(other) == "max_tokens"


def test_the_shortest_prompt_for_which_it_was_needed_counts() -> None:
    fields = LimitFields()
    for prompt in ("x" * 20, "x" * 10, "x" * 30):
        fields.learn(asked(prompt), "", "http://gpu", "too long")
    assert fields.field(asked("x" * 10)) == ""
    assert fields.field(asked("x" * 9)) == "max_tokens"
    # Another way of asking is not known to be needed for those.
    fields.learn(asked("x" * 20), "max_completion_tokens", "http://gpu", "unknown")
    assert fields.field(asked("x" * 19)) == "max_tokens"


def test_it_is_told_once_what_becomes_of_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "egm.engine"):
        fields = LimitFields()
        for _ in range(2):
            fields.learn(asked(), "", "http://gpu", "too long")
        fields.learn(asked(size=16), "max_completion_tokens", "http://gpu", "unknown")
    none, other = (record.getMessage() for record in caplog.records)
    assert none == (
        "http://gpu refuses max_tokens 64 for pictures of 8 x 8 (too long): such answers are limited by"
        " none, and the answer is cut here"
    )
    assert other.endswith("16 x 16 (unknown): such answers are limited as max_completion_tokens")
