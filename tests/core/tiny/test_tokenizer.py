"""The embedded model's tokenizer: whole words and numerals, exact round trips, nothing stripped as special."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egm_core.tiny.tokenizer import ANSWER_OPEN, build_tokenizer, numeral_ids

TOKENIZER = build_tokenizer(["the", "red", "mug", "mugs", "left"])


def test_an_answer_costs_one_token_a_number_and_one_a_piece() -> None:
    ids = TOKENIZER(ANSWER_OPEN + '5, 67, 999, 1000], "label": "red mug"}\n]\n```')["input_ids"]
    assert [TOKENIZER.decode([i]) for i in ids] == [
        ANSWER_OPEN, "5", ", ", "67", ", ", "999", ", ", "1000", '], "label": "', "red", " mug", '"}\n]\n```',
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_round_trips(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize("text", ["(120,500), (410,388).", "<think>\n3 mugs\n</think>\n\n", "the zebra, 12345"])
def test_skipping_special_tokens_keeps_numerals_and_think_tags(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"], skip_special_tokens=True) == text


def test_numerals_are_single_tokens_in_order() -> None:
    ids = numeral_ids(TOKENIZER)
    assert len(ids) == 1001 and len(set(ids)) == 1001
    assert TOKENIZER("1000")["input_ids"] == [ids[1000]]
