"""Which counts of tokens a server can have made."""

from __future__ import annotations

import math

import pytest

from egm_core.asking.counted import counted, is_nonsense, usage_of
from egm_core.engines.base import Completion, Token

NONSENSE = [
    {"prompt_tokens": 0, "completion_tokens": 0},
    {"prompt_tokens": -5, "completion_tokens": 2},
    {"prompt_tokens": True, "completion_tokens": True},
    {"prompt_tokens": "7", "completion_tokens": "2"},
    {"prompt_tokens": math.nan, "completion_tokens": 2},
    {"prompt_tokens": math.inf, "completion_tokens": 2},
    {"prompt_tokens": 1e300, "completion_tokens": 2},
    {"prompt_tokens": 10**400, "completion_tokens": 2},
    {"prompt_tokens": "\ud800", "completion_tokens": 2},
    {"prompt_tokens": [7], "completion_tokens": {}},
    {"completion_tokens": 2},
    {"prompt_tokens": 7, "completion_tokens": 0},
    {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    {"total_tokens": "9"},
    [7, 2],
    "nine",
    7,
    True,
]


@pytest.mark.parametrize("usage", NONSENSE, ids=repr)
def test_a_count_that_cannot_be_is_as_good_as_none(usage):
    said = Completion("hello", (Token("hel"), Token("lo")), "stop", usage)
    assert counted(usage, "hello") is None and is_nonsense(said)
    assert usage_of(said) == {"completion_tokens": 2}


def test_a_count_is_kept_with_thoughts_that_only_the_sum_holds():
    usage = {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 95}
    assert usage_of(Completion("a", (), "stop", usage)) == {"prompt_tokens": 70, "completion_tokens": 25}
    assert usage_of(Completion("a", (), "stop", {"total_tokens": 9})) == {"total_tokens": 9}
    assert not is_nonsense(Completion("a", (), "stop")) and not is_nonsense(Completion("a", (), "stop", {}))
