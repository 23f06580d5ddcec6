"""Words that drawings and things share, told apart by what stands around them."""

from __future__ import annotations

import pytest

from egm_core.curate.rules.evidence import drawings

DRAWN = [
    "the box encloses the ownthing and leaves out the otherthing.",
    "somebody put a thin line around the ownthing.",
    "the provided outline runs on past the otherthing, and so does the ownthing.",
    "the pointer on the picture leads to the ownthing.",
    "according to the label, the ownthing is meant.",
    "the line continues across the otherthing, so the ownthing must be longer.",
    "a magenta edge goes around the ownthing.",
]
OF_THINGS = [
    "the ownthing stands on a cardboard box, beside the otherthing.",
    "it lies next to the box and touches its lid.",
    "its outline continues beyond the otherthing.",
    "the outline of the ownthing closes behind the otherthing.",
    "the label on the ownthing is white.",
    "a blue line runs along the rim of the ownthing.",
    "its box hangs inside a wooden frame.",
    "it is cut off by the border of the picture.",
]


@pytest.mark.parametrize("text", DRAWN)
def test_a_drawing_is_told_by_what_stands_around_its_word(text: str) -> None:
    assert list(drawings(text, "magenta"))


@pytest.mark.parametrize("text", OF_THINGS)
def test_the_same_words_of_a_thing_are_none(text: str) -> None:
    assert not list(drawings(text, "magenta"))


def test_a_colour_that_the_object_has_too_says_less() -> None:
    text = "the ownthing is magenta, and a magenta outline is seen."
    assert not list(drawings(text, "magenta"))
    assert list(drawings("a magenta outline is seen at the ownthing.", "magenta"))
