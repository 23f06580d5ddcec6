"""Drawn boxes, read back from the pixels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from egm_core.pictures.draw import AMODAL, VISIBLE, dash_ends, draw, tagged

GREY = np.full((240, 320, 3), 128, np.uint8)


def where(picture, color):
    """Give the pixels of a colour as (H, W) bool."""
    return (picture == color).all(2)


def extent(mask):
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("shape", [(240, 320), (1080, 1920), (100, 90)])
def test_a_visible_box_is_a_closed_line_around_the_object(shape):
    picture = draw(np.full((*shape, 3), 128, np.uint8), (20, 30, 80, 90))
    mask = where(picture, VISIBLE)
    assert np.abs(np.subtract(extent(mask), (20, 30, 80, 90))).max() <= max(1, min(shape) / 300)
    assert mask[30, 20:80].all()
    assert mask[89, 20:80].all()
    assert mask[30:90, 20].all()
    assert mask[30:90, 79].all()
    assert not mask[45:75, 35:65].any()


def test_an_amodal_box_is_dashed_with_closed_corners():
    mask = where(draw(GREY, None, (20, 30, 220, 190)), AMODAL)
    for side in (mask[30, 20:220], mask[189, 20:220], mask[30:190, 20], mask[30:190, 219]):
        assert side[0]
        assert side[-1]
        assert 0.3 < side.mean() < 0.8
        assert (np.diff(side.astype(int)) == -1).sum() >= 3


def test_both_boxes_show_where_they_share_an_edge():
    picture = draw(GREY, (50, 50, 150, 150), (50, 50, 150, 150))
    assert where(picture, VISIBLE)[50].sum() > 20
    assert where(picture, AMODAL)[50].sum() > 20


def test_lines_grow_with_the_picture():
    thick = [
        where(draw(np.zeros((h, h, 3), np.uint8), (10, 10, h - 10, h - 10)), VISIBLE)[h // 2].sum()
        for h in (96, 480, 1440)
    ]
    assert thick[0] < thick[1] < thick[2]


def test_a_copy_is_drawn_into_and_nothing_without_boxes():
    picture = GREY.copy()
    assert (draw(picture, (1, 1, 50, 50), (1, 1, 90, 90), "mug") != picture).any()
    assert (picture == GREY).all()
    assert (draw(picture) == GREY).all()
    assert (draw(picture, [], []) == GREY).all()
    read_only = np.broadcast_to(np.uint8(7), (50, 60, 3))
    assert draw(read_only, (1, 1, 5, 5)).flags.writeable


@pytest.mark.parametrize("shape", [(50, 60), (50, 60, 1)])
def test_mono_pictures_become_rgb(shape):
    picture = draw(np.full(shape, 9, np.uint8), (5, 5, 40, 40))
    assert picture.shape == (50, 60, 3)
    assert where(picture, VISIBLE).any()
    assert (picture[45, 50] == 9).all()


def test_what_leaves_the_frame_is_cut_there():
    mask = where(draw(GREY, (-50, 40, 100, 1e9)), VISIBLE)
    assert extent(mask)[0] == 0
    assert mask[:, 99].sum() > 190
    assert not mask[60:, 5:90].any()
    assert (draw(GREY, (400, 10, 500, 90), (-90, -90, -5, 500)) == GREY).all()


def test_several_boxes_and_lists_are_drawn():
    mask = where(draw(GREY, [(10, 10, 40, 40), (100, 100, 150, 150)]), VISIBLE)
    assert mask[10, 20]
    assert mask[100, 120]
    assert (
        draw(GREY, np.array([[10, 10, 40, 40], [100, 100, 150, 150]]))
        == draw(GREY, [(10, 10, 40, 40), (100, 100, 150, 150)])
    ).all()


def test_the_label_stands_bright_on_dark_whatever_is_behind():
    for light in (0, 128, 255):
        plate = draw(np.full((240, 320, 3), light, np.uint8), label="the red mug 0.93")[:14, :150].astype(int)
        assert plate.min() < 90
        assert plate.max() > 200


def test_long_labels_wrap_and_never_leave_the_picture():
    short, long = draw(GREY, label="a mug"), draw(GREY, label="the mug behind the blue box " * 20)
    changed = [(p != GREY).any((1, 2)).sum() for p in (short, long)]
    assert changed[0] < changed[1] < 120
    draw(np.zeros((8, 8, 3), np.uint8), label="w" * 500 + " größe 🫖")


@pytest.mark.parametrize("wrong", [np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)])
def test_other_pictures_are_refused(wrong):
    with pytest.raises(ValueError, match="give"):
        draw(wrong, (1, 1, 3, 3))


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    st.none() | st.tuples(*[st.floats()] * 4) | st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 4), max_size=3),
    st.text(max_size=40),
)
def test_anything_can_be_drawn(picture, boxes, label):
    assert draw(picture, boxes, boxes, label).shape == picture.shape


def test_dashes_touch_both_ends_and_are_as_long_as_the_gaps() -> None:
    dashes = list(dash_ends((10.0, 5.0), (110.0, 5.0), 12.0))
    assert dashes[0][0] == (10.0, 5.0) and dashes[-1][1] == (110.0, 5.0)
    lengths = [b[0] - a[0] for a, b in dashes]
    gaps = [later[0][0] - earlier[1][0] for earlier, later in pairwise(dashes)]
    assert lengths == pytest.approx([lengths[0]] * len(lengths)) and gaps == pytest.approx([lengths[0]] * len(gaps))
    assert 8.0 < lengths[0] < 16.0
    assert list(dash_ends((3.0, 4.0), (3.0, 6.0), 12.0)) == [((3.0, 4.0), (3.0, 6.0))]


@pytest.mark.parametrize("boxes", [[(100, 100, 200, 180)] * 2, [(100, 100, 160, 180), (110, 95, 220, 170)]])
def test_words_at_boxes_cover_no_other_words(boxes):
    alone = [where(tagged(GREY, [(box, word)], VISIBLE), VISIBLE).sum() for box, word in zip(boxes, "ab", strict=True)]
    both = tagged(GREY, list(zip(boxes, "ab", strict=True)), VISIBLE)
    assert where(both, VISIBLE).sum() == sum(alone)


@pytest.mark.parametrize(
    "box", [(0, 0, 320, 240), (-50, -50, 10, 10), (300, 230, 400, 300), (0, 0, 3, 3), (10, 0, 60, 240)]
)
def test_words_at_a_box_stay_within_the_picture(box):
    mask = where(tagged(GREY, [(box, "2:0 the mug next to the bottle")], VISIBLE), VISIBLE)
    x0, y0, x1, y1 = extent(mask)
    assert x1 - x0 > 100 and 8 < y1 - y0 < 40
    assert min(mask[row, x0:x1].mean() for row in (y0, y1 - 1)) > 0.9


def test_words_too_long_for_the_picture_are_cut_and_boxes_outside_of_it_have_none():
    mask = where(tagged(GREY, [((10, 90, 60, 140), "the mug " * 20)], VISIBLE), VISIBLE)
    assert extent(mask)[0] >= 0 and extent(mask)[2] <= 320 and mask.any()
    assert (tagged(GREY, [((400, 90, 460, 140), "the mug"), ((10, 90, 60, 140), "")], VISIBLE) == GREY).all()


def test_words_at_a_box_leave_the_box_beside_it_uncovered():
    cone, car = (60, 110, 100, 160), (95, 80, 240, 150)
    mask = where(tagged(GREY, [(cone, "2:0 the yellow cone"), (car, "")], VISIBLE), VISIBLE)
    assert extent(mask)[1] >= 160
    assert extent(where(tagged(GREY, [(cone, "2:0 the yellow cone")], VISIBLE), VISIBLE))[3] <= 110
