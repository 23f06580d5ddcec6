"""The noun of an expression: what is asked for, without where it is."""

from __future__ import annotations

import pytest

from egm_core.data.phrases import head, noun


@pytest.mark.parametrize(
    ("phrase", "whole", "last"),
    [
        ("the red mug left of the box", "red mug", "mug"),
        ("partly hidden can", "partly hidden can", "can"),
        ("the red half covered van near the wall", "red half covered van", "van"),
        ("the box partly hidden by the black box", "box", "box"),
        ("can hidden behind the cup", "can", "can"),
        ("mug partly hidden", "mug", "mug"),
        ("table covered with a cloth", "table", "table"),
    ],
)
def test_hidden_before_the_noun_belongs_to_it_and_after_it_does_not(phrase: str, whole: str, last: str) -> None:
    assert (noun(phrase), head(phrase)) == (whole, last)
