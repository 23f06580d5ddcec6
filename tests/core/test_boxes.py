"""Boxes against brute force: pixel counts, one box at a time, and the properties that make them boxes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from egm_core import boxes

SIZE = 12
CELLS = st.integers(0, SIZE)
GRID_BOX = st.tuples(CELLS, CELLS, CELLS, CELLS).map(lambda b: tuple(map(float, b)))
FLOAT = st.floats(-1e4, 1e4, width=32)
ANY_BOX = st.tuples(FLOAT, FLOAT, FLOAT, FLOAT)
MANY = arrays.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=FLOAT)


def mask(box):
    """Colour the pixels of a box in a small picture: half-open, so x1 and y1 are not in it."""
    picture = np.zeros((SIZE, SIZE), bool)
    picture[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    return picture


@given(GRID_BOX, GRID_BOX)
def test_areas_are_pixel_counts(a, b):
    assert boxes.area(a) == mask(a).sum()
    assert boxes.intersection(a, b) == (mask(a) & mask(b)).sum()
    both = (mask(a) | mask(b)).sum()
    assert boxes.iou(a, b) == pytest.approx((mask(a) & mask(b)).sum() / both if both else 0.0)


@given(GRID_BOX, GRID_BOX)
def test_union_is_the_smallest_box_around_both(a, b):
    joined, pixels = boxes.union(a, b), mask(a) | mask(b)
    if pixels.any():
        rows, columns = np.nonzero(pixels.any(1))[0], np.nonzero(pixels.any(0))[0]
        assert joined == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    else:
        assert boxes.area(joined) == 0


@given(MANY, MANY)
def test_many_are_as_one_by_one(a, b):
    pairs = boxes.iou(a[:, None], b[None])
    assert pairs.shape == (len(a), len(b))
    for i, one in enumerate(a):
        for j, two in enumerate(b):
            assert pairs[i, j] == boxes.iou(tuple(one), tuple(two))
    for function in (
        boxes.sort_corners,
        boxes.xywh_to_xyxy,
        lambda x: boxes.clip(x, 640, 480),
        lambda x: boxes.to_pixels(x, 640, 480),
        lambda x: boxes.to_relative(x, 640, 480),
        lambda x: boxes.union(x, (1.0, 2.0, 3.0, 4.0)),
    ):
        assert function(a).shape == a.shape
        assert [tuple(row) for row in function(a).tolist()] == [function(tuple(row)) for row in a.tolist()]


@given(ANY_BOX, ANY_BOX)
def test_iou_is_symmetric_and_bounded(a, b):
    value = boxes.iou(a, b)
    assert 0 <= value <= 1
    assert value == boxes.iou(b, a)
    assert boxes.iou(a, a) == (1.0 if boxes.area(a) > 0 else 0.0)


ANY_NUMBER = st.floats() | st.integers(-9, 9) | st.sampled_from([1e200, 5e-324, 2.0, 3.0])


@given(st.tuples(*[ANY_NUMBER] * 4), st.tuples(*[ANY_NUMBER] * 4))
def test_one_pair_of_boxes_is_what_arrays_of_them_are(a, b):
    one, two = np.array([a], float), np.array([b], float)
    for measure in (boxes.iou, boxes.intersection):
        value = measure(a, b)
        assert type(value) is float and value == measure(one, two)[0]
    assert type(boxes.area(a)) is float and boxes.area(a) == boxes.area(one)[0]
    for margin in (0.0, 2.5):
        assert boxes.contains(a, b, margin) is bool(boxes.contains(one, two, margin)[0])


@given(st.tuples(*[st.floats()] * 4), st.tuples(*[st.floats()] * 4))
def test_no_float_at_all_makes_iou_or_area_nan(a, b):
    assert 0 <= boxes.iou(a, b) <= 1
    assert boxes.area(a) >= 0
    assert not math.isnan(boxes.intersection(a, b))


@given(ANY_BOX, st.integers(1, 4000), st.integers(1, 4000))
def test_conversions_return(box, width, height):
    assert boxes.to_pixels(boxes.to_relative(box, width, height), width, height) == pytest.approx(box, abs=1e-6)


@given(ANY_BOX, st.integers(1, 4000), st.integers(1, 4000))
def test_clipped_boxes_lie_in_the_image(box, width, height):
    x0, y0, x1, y1 = boxes.clip(boxes.sort_corners(box), width, height)
    assert 0 <= x0 <= x1 <= width
    assert 0 <= y0 <= y1 <= height
    assert boxes.area((x0, y0, x1, y1)) == pytest.approx(
        boxes.intersection(boxes.sort_corners(box), (0, 0, width, height)), rel=1e-6, abs=1e-6
    )


def test_literal_values():
    assert boxes.iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert boxes.iou((0, 0, 10, 10), (0, 0, 10, 5)) == 0.5
    assert boxes.to_relative((0, 0, 640, 480), 640, 480) == (0, 0, 1000, 1000)
    assert boxes.to_pixels((500, 250, 1000, 1000), 640, 480) == (320, 120, 640, 480)
    assert boxes.sort_corners((9, 8, 1, 2)) == (1, 2, 9, 8)
    assert boxes.xywh_to_xyxy((10, 20, 30, 60)) == (10, 20, 40, 80)
    assert boxes.contains((0, 0, 10, 10), (-1, 0, 10, 10), margin=1)
    assert not boxes.contains((0, 0, 10, 10), (-1, 0, 10, 10))
    assert boxes.union((0, 0, 1, 1), (5, 5, 5, 9)) == (0, 0, 1, 1)
    assert boxes.iou([(0, 0, 2, 2)], [(1, 0, 3, 2)]).tolist() == pytest.approx([1 / 3])


@pytest.mark.parametrize("wrong", [(1, 2, 3), [[1, 2, 3, 4, 5]], 7.0])
def test_other_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match="four numbers"):
        boxes.area(wrong)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5), (math.nan, 5)])
def test_an_image_without_pixels_is_refused(size):
    with pytest.raises(ValueError, match="positive"):
        boxes.to_pixels((0, 0, 1, 1), *size)
