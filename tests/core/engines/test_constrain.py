"""Grammars on the sampler: what may be written, and that nothing that was learnt is forbidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import memorised_answers
from transformers import AutoTokenizer

from egm_core.engines import EngineError, Request
from egm_core.engines.constrain import Grammars, allowed
from egm_core.families import family
from egm_core.tiny.tokenizer import build_tokenizer

FAMILIES = {"qwen3_vl": "random_qwen", "internvl3": "random_internvl"}
IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module", params=FAMILIES)
def speaking(request: pytest.FixtureRequest) -> tuple[str, Any, Grammars]:
    folder: Path = request.getfixturevalue(FAMILIES[request.param])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return request.param, tokenizer, Grammars(tokenizer, frozenset({tokenizer.eos_token_id}))


def walk(grammars: Grammars, tokenizer: Any, regex: str, text: str) -> str:
    """Write a text token by token; gives the part that the grammar lets through, "" + the end if all."""
    matcher = grammars.matcher(Request("a", IMAGE, "p", regex=regex))
    assert matcher is not None
    ids = tokenizer(text, add_special_tokens=False).input_ids
    for place, token in enumerate(ids):
        if not allowed(matcher, grammars.size)[token]:
            return str(tokenizer.decode(ids[:place]))
        matcher.consume_token(token)
    return text + ("<end>" if allowed(matcher, grammars.size)[tokenizer.eos_token_id] else "")


def test_lets_every_memorised_answer_through_in_the_models_own_tokens(speaking: tuple[str, Any, Grammars]) -> None:
    name, tokenizer, grammars = speaking
    regex = family(name).regex(True)
    for answer in memorised_answers(name).values():
        assert walk(grammars, tokenizer, regex, answer) == answer + "<end>"


def test_a_tag_may_be_one_token_or_spelt_out(speaking: tuple[str, Any, Grammars]) -> None:
    _, _, grammars = speaking
    matcher = grammars.matcher(Request("a", IMAGE, "p", regex="(?:</think>x)"))
    assert matcher is not None
    assert allowed(matcher, grammars.size).sum() >= 2


def test_a_tag_that_a_regex_begins_with_is_its_token() -> None:
    tokenizer = build_tokenizer(["mug"])
    grammars = Grammars(tokenizer, frozenset({tokenizer.eos_token_id}))
    regex = family("qwen3_vl").regex(reasoning=False)
    matcher = grammars.matcher(Request("a", IMAGE, "p", regex=regex))
    assert matcher is not None
    close = tokenizer.convert_tokens_to_ids("</think>")
    assert np.flatnonzero(allowed(matcher, grammars.size).numpy()).tolist() == [close]
    answer = "</think>\n\n```json\n[]\n```"
    assert walk(grammars, tokenizer, regex, answer) == answer + "<end>"
    assert walk(grammars, tokenizer, regex, "Mug: " + answer) == ""
    for either, text in (("</think>a|b", "b"), ("</think>?a", "</thinka"), ("</think>(?:a|b)[|]", "</think>b|")):
        assert walk(grammars, tokenizer, either, text) == text + "<end>"


def test_other_scripts_digits_are_no_digits(speaking: tuple[str, Any, Grammars]) -> None:
    _, tokenizer, grammars = speaking
    assert walk(grammars, tokenizer, "a[0-9]", "a7") == "a7<end>"
    assert walk(grammars, tokenizer, "a[0-9]", "a\u0667") == "a"


def test_slashes_and_newlines_in_a_regex(speaking: tuple[str, Any, Grammars]) -> None:
    _, tokenizer, grammars = speaking
    for regex, text in ((r"a/b", "a/b"), (r"a\/b", "a/b"), ("a\nb", "a\nb"), (r"a\nb", "a\nb"), (r"a\\b", "a\\b")):
        assert walk(grammars, tokenizer, regex, text) == text + "<end>"


def test_what_does_not_fit_is_stopped_where_it_leaves(speaking: tuple[str, Any, Grammars]) -> None:
    _, tokenizer, grammars = speaking
    assert walk(grammars, tokenizer, "(cat|dog)s", "cow") == "c"


@pytest.mark.parametrize("regex", ["[a-z", "(?=x)", "*"])
def test_an_unusable_regex_is_named(speaking: tuple[str, Any, Grammars], regex: str) -> None:
    with pytest.raises(EngineError, match="grammar cannot be used") as caught:
        speaking[2].matcher(Request("a", IMAGE, "p", regex=regex))
    assert caught.value.reason == "engine_request"


def test_no_grammar_no_matcher(speaking: tuple[str, Any, Grammars]) -> None:
    assert speaking[2].matcher(Request("a", IMAGE, "p")) is None


def test_a_request_takes_one_grammar_only() -> None:
    with pytest.raises(ValueError, match="not both"):
        Request("a", IMAGE, "p", regex="x", json_schema={})
