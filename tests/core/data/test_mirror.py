"""Mirror images: words change sides and letters do not, and a mirror image's mirror image is the sample."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.data.mirror import doubtful, mirror, mirrored_text
from egm_core.sample import Sample

SAMPLE = Sample(
    "a.png",
    "the mug left of the bright box",
    (10, 20, 30, 40),
    (5.5, 20, 130, 40),
    0.5,
    50,
    100,
    reasoning="It is on the left.",
    amodal_reasoning="The RIGHT part is hidden.",
    occluders=("left hand",),
    occluder_boxes=((0, 15, 12, 50),),
)


@pytest.mark.parametrize(
    ("text", "mirror_image"),
    [
        ("left", "right"),
        ("Left man, RIGHT side", "Right man, LEFT side"),
        ("the leftmost and the right-most one", "the rightmost and the left-most one"),
        ("right-hand, lefthand, right handed, left-handed", "left-hand, righthand, left handed, right-handed"),
        ("leftward, rightwards, righty, lefties", "rightward, leftwards, lefty, righties"),
        ("left/right, (left) 'right' left's right.", "right/left, (right) 'left' right's left."),
        ("topleft corner, bottom-right, upperright, far-left", "topright corner, bottom-left, upperleft, far-right"),
        ("2nd from left2", "2nd from right2"),
        ("bright, upright, alright, copyright, brightest", "bright, upright, alright, copyright, brightest"),
        ("cleft, leftover, leftovers, righteous, rightful", "cleft, leftover, leftovers, righteous, rightful"),
        ("Wright, playwright, frightened, lefts", "Wright, playwright, frightened, lefts"),
        ("éleft rightß", "éleft rightß"),
        ("the man", "the man"),
    ],
)
def test_words_change_sides_and_letters_do_not(text: str, mirror_image: str) -> None:
    assert mirrored_text(text) == mirror_image
    assert mirrored_text(mirror_image) == text


WORDS = st.sampled_from(["left", "Right", "LEFT", "rightmost", "Left-hand", "bright", "man", "topleft", ",", "é", "2"])


@given(st.lists(WORDS).map("".join) | st.lists(WORDS).map(" ".join))
def test_the_mirror_image_of_a_mirror_image_is_the_text(text: str) -> None:
    assert mirrored_text(mirrored_text(text)) == text


@given(st.floats(-500, 500), st.floats(0.5, 500), st.integers(1, 4000))
def test_the_mirror_image_of_a_mirror_image_is_the_sample(x: float, wide: float, width: int) -> None:
    sample = replace(SAMPLE, amodal_bbox=(x, 1, x + wide, 2), width=width)
    back = mirror(mirror(sample))
    assert back.amodal_bbox == pytest.approx(sample.amodal_bbox)
    assert replace(back, amodal_bbox=sample.amodal_bbox) == sample


def test_boxes_texts_and_picture_change_sides() -> None:
    assert mirror(SAMPLE) == replace(
        SAMPLE,
        sent="the mug right of the bright box",
        bbox=(70, 20, 90, 40),
        amodal_bbox=(-30, 20, 94.5, 40),
        reasoning="It is on the right.",
        amodal_reasoning="The LEFT part is hidden.",
        occluders=("right hand",),
        occluder_boxes=((88, 15, 100, 50),),
        mirrored=True,
    )
    hidden = mirror(replace(SAMPLE, bbox=None, visible_fraction=0.0))
    assert hidden.bbox is None and hidden.amodal_bbox


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("man right behind the bar", "right behind"),
        ("guy on rt", "rt"),
        ("the R one", "R"),
        ("3 o'clock", "3 o'clock"),
        ("the right man", ""),
        ("ritz, art, salt", ""),
        ("right side", ""),
    ],
)
def test_words_that_may_be_about_a_side_are_told(text: str, word: str) -> None:
    assert doubtful(text) == word
