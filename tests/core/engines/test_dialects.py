"""What each kind of server is asked, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from egm_core.engines import Request, Sampling
from egm_core.engines.http.dialects import DIALECTS

IMAGE = np.zeros((8, 8, 3), np.uint8)
SCHEMA = {"type": "array", "maxItems": 1}
STANDARD = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("dialect", "regex_fields", "schema_fields"),
    [
        ("openai", {}, {"response_format": STANDARD}),
        ("vllm", {"structured_outputs": {"regex": "[0-9]"}}, {"response_format": STANDARD}),
        ("egm", {"structured_outputs": {"regex": "[0-9]"}}, {"response_format": STANDARD}),
        (
            "trtllm",
            {"response_format": {"type": "regex", "regex": "[0-9]"}},
            {"response_format": {"type": "json", "schema": SCHEMA}},
        ),
        ("edgellm", {"guided_decoding": {"regex": "[0-9]"}}, {"guided_decoding": {"json_schema": SCHEMA}}),
    ],
)
def test_grammars(dialect: str, regex_fields: dict[str, Any], schema_fields: dict[str, Any]) -> None:
    extra = DIALECTS[dialect].extra
    plain = extra(Request("a", IMAGE, "p"))
    assert extra(Request("a", IMAGE, "p", regex="[0-9]")) == plain | regex_fields
    assert extra(Request("a", IMAGE, "p", json_schema=SCHEMA)) == plain | schema_fields


def test_no_limit_on_the_choice_is_minus_one_for_vllm_and_zero_for_ours() -> None:
    request = Request("a", IMAGE, "p", Sampling(top_k=0))
    assert DIALECTS["vllm"].extra(request)["top_k"] == -1
    assert DIALECTS["egm"].extra(request)["top_k"] == 0


def test_vllm_keeps_the_tags_of_an_answer() -> None:
    assert DIALECTS["vllm"].extra(Request("a", IMAGE, "p"))["skip_special_tokens"] is False


def test_plain_openai_gets_no_field_it_would_refuse() -> None:
    assert DIALECTS["openai"].extra(Request("a", IMAGE, "p")) == {}
