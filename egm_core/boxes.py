"""Boxes as everything here understands them: xyxy, float, half-open pixel edges (no +1 anywhere).

A box that covers the columns 3 to 7 has x0 = 3 and x1 = 8. Relative boxes count thousandths of the picture, both
ends included. Every function takes one `Box`, a tuple, and gives a tuple or a float; or it takes many, an array
(N, 4) or a list of boxes, and gives an array; shapes broadcast. Degenerate boxes (x1 <= x0 or y1 <= y0) have
area 0 and IoU 0, and no area or IoU is ever NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Box: TypeAlias = tuple[float, float, float, float]
Boxes: TypeAlias = NDArray[np.float64]
Many: TypeAlias = Boxes | Sequence[Box]

FRAME = 1000.0


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Give boxes as a float array whose last axis is (x0, y0, x1, y1); ValueError for any other shape."""
    array = np.asarray(boxes, np.float64)
    if array.size == 0 and array.ndim == 1:
        return array.reshape(0, 4)
    if array.shape[-1:] != (4,):
        raise ValueError(f"boxes of shape {array.shape} make no sense; give four numbers a box, (4,) or (N, 4)")
    return array


def as_box(array: ArrayLike) -> Box:
    """Give one box as a tuple of floats."""
    x0, y0, x1, y1 = (float(v) for v in as_boxes(array).reshape(4))
    return x0, y0, x1, y1


def _one(boxes: Box | Many) -> bool:
    return isinstance(boxes, tuple) and len(boxes) == 4 and np.ndim(boxes) == 1


def _like(boxes: Box | Many, result: Boxes) -> Box | Boxes:
    return as_box(result) if _one(boxes) else result


def _value(boxes: Box | Many, others: Box | Many, result: Boxes) -> float | Boxes:
    return float(result) if _one(boxes) and _one(others) else result


def _size(width: float, height: float) -> Boxes:
    if not (width > 0 and height > 0):
        raise ValueError(f"a picture of {width} x {height} has no pixels; give a positive width and height")
    return np.array([width, height, width, height], np.float64)


def _join(low: Boxes, high: Boxes) -> Boxes:
    return np.concatenate(np.broadcast_arrays(low, high), -1)


def _areas(boxes: Boxes) -> Boxes:
    with np.errstate(over="ignore", invalid="ignore"):
        sides = np.nan_to_num(np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), nan=0.0)
        return np.asarray(np.nan_to_num(sides[..., 0] * sides[..., 1]))


def _shared(one: Boxes, two: Boxes) -> Boxes:
    shared = _areas(_join(np.maximum(one[..., :2], two[..., :2]), np.minimum(one[..., 2:], two[..., 2:])))
    return np.where((_areas(one) > 0) & (_areas(two) > 0), shared, 0.0)


@overload
def area(boxes: Box) -> float: ...
@overload
def area(boxes: Many) -> Boxes: ...
def area(boxes: Box | Many) -> float | Boxes:
    """Give the area in square pixels, or in square units of the frame."""
    if isinstance(boxes, tuple) and (sides := _plain(boxes)) and (plain := _plain_area(sides)) < math.inf:
        return plain
    return _value(boxes, boxes, _areas(as_boxes(boxes)))


@overload
def intersection(a: Box, b: Box) -> float: ...
@overload
def intersection(a: Many, b: Box | Many) -> Boxes: ...
@overload
def intersection(a: Box, b: Many) -> Boxes: ...
def intersection(a: Box | Many, b: Box | Many) -> float | Boxes:
    """Give the area that two boxes share, pair by pair."""
    if isinstance(a, tuple) and isinstance(b, tuple) and (plain := _plain_shared(a, b)) is not None:
        return plain[0]
    return _value(a, b, _shared(as_boxes(a), as_boxes(b)))


@overload
def iou(a: Box, b: Box) -> float: ...
@overload
def iou(a: Many, b: Box | Many) -> Boxes: ...
@overload
def iou(a: Box, b: Many) -> Boxes: ...
def iou(a: Box | Many, b: Box | Many) -> float | Boxes:
    """Give the intersection over union in [0, 1], pair by pair."""
    if isinstance(a, tuple) and isinstance(b, tuple) and (plain := _plain_shared(a, b)) is not None:
        return min(plain[0] / (plain[1] - plain[0]), 1.0)
    one, two = as_boxes(a), as_boxes(b)
    shared = _shared(one, two)
    with np.errstate(over="ignore"):
        joined = _areas(one) + _areas(two) - shared
    ratio = np.divide(shared, joined, out=np.zeros_like(shared), where=(joined > 0) & np.isfinite(joined))
    return _value(a, b, np.asarray(np.minimum(ratio, 1.0)))


def _plain(box: tuple[object, ...]) -> tuple[float, float, float, float] | None:
    """Give one box's numbers as they are, for arrays take far longer for one; None for what only arrays can read."""
    if len(box) != 4 or not all(type(side) is float or type(side) is int for side in box):
        return None
    x0, y0, x1, y1 = map(float, box)  # type: ignore[arg-type]
    return x0, y0, x1, y1


def _plain_area(sides: tuple[float, float, float, float]) -> float:
    """Give an area, which is no number or infinite where the arrays have to decide."""
    return max(sides[2] - sides[0], 0.0) * max(sides[3] - sides[1], 0.0)


def _plain_shared(a: tuple[object, ...], b: tuple[object, ...]) -> tuple[float, float] | None:
    """Give what two boxes share, and the sum of their areas; None for unusual boxes, and those without area."""
    one, two = _plain(a), _plain(b)
    if one is None or two is None:
        return None
    areas = _plain_area(one), _plain_area(two)
    # Numbers that are none, or overflow, are left to the arrays; so is an area of nothing.
    if not (areas[0] > 0 and areas[1] > 0 and sum(areas) < math.inf):
        return None
    low_x, low_y = map(max, one[:2], two[:2])
    high_x, high_y = map(min, one[2:], two[2:])
    return _plain_area((low_x, low_y, high_x, high_y)), sum(areas)


@overload
def contains(outer: Box, inner: Box, margin: float = 0.0) -> bool: ...
@overload
def contains(outer: Many, inner: Box | Many, margin: float = 0.0) -> NDArray[np.bool_]: ...
@overload
def contains(outer: Box, inner: Many, margin: float = 0.0) -> NDArray[np.bool_]: ...
def contains(outer: Box | Many, inner: Box | Many, margin: float = 0.0) -> bool | NDArray[np.bool_]:
    """Tell whether the inner box lies in the outer one; it may stand out by a margin on every side."""
    if isinstance(outer, tuple) and isinstance(inner, tuple) and (o := _plain(outer)) and (i := _plain(inner)):
        return all(i[n] >= o[n] - margin and i[n + 2] <= o[n + 2] + margin for n in (0, 1))
    one, two = as_boxes(outer), as_boxes(inner)
    low = (two[..., :2] >= one[..., :2] - margin).all(-1)
    held = np.asarray(low & (two[..., 2:] <= one[..., 2:] + margin).all(-1))
    return bool(held) if _one(outer) and _one(inner) else held


@overload
def union(a: Box, b: Box) -> Box: ...
@overload
def union(a: Many, b: Box | Many) -> Boxes: ...
@overload
def union(a: Box, b: Many) -> Boxes: ...
def union(a: Box | Many, b: Box | Many) -> Box | Boxes:
    """Give the smallest box around both, pair by pair; a degenerate box adds nothing to the other."""
    one, two = as_boxes(a), as_boxes(b)
    both = _join(np.minimum(one[..., :2], two[..., :2]), np.maximum(one[..., 2:], two[..., 2:]))
    empty_one, empty_two = (_areas(one) == 0)[..., None], (_areas(two) == 0)[..., None]
    joined = np.where(empty_two, one, np.where(empty_one, two, both))
    return _like(b if _one(a) else a, joined)


@overload
def clip(boxes: Box, width: float, height: float) -> Box: ...
@overload
def clip(boxes: Many, width: float, height: float) -> Boxes: ...
def clip(boxes: Box | Many, width: float, height: float) -> Box | Boxes:
    """Cut boxes to a picture of that size; one that lies outside becomes degenerate."""
    if isinstance(boxes, tuple) and (sides := _plain(boxes)) and width > 0 and height > 0:
        x0, y0, x1, y1 = (
            min(max(side, 0.0), float(most)) for side, most in zip(sides, (width, height) * 2, strict=True)
        )
        return x0, y0, x1, y1
    return _like(boxes, np.clip(as_boxes(boxes), 0.0, _size(width, height)))


@overload
def sort_corners(boxes: Box) -> Box: ...
@overload
def sort_corners(boxes: Many) -> Boxes: ...
def sort_corners(boxes: Box | Many) -> Box | Boxes:
    """Put the upper left corner first."""
    a = as_boxes(boxes)
    return _like(boxes, _join(np.minimum(a[..., :2], a[..., 2:]), np.maximum(a[..., :2], a[..., 2:])))


@overload
def xywh_to_xyxy(boxes: Box) -> Box: ...
@overload
def xywh_to_xyxy(boxes: Many) -> Boxes: ...
def xywh_to_xyxy(boxes: Box | Many) -> Box | Boxes:
    """Turn left, top, width and height, as COCO writes them, into corners."""
    a = as_boxes(boxes)
    return _like(boxes, _join(a[..., :2], a[..., :2] + a[..., 2:]))


@overload
def to_relative(boxes: Box, width: float, height: float, frame: float = FRAME) -> Box: ...
@overload
def to_relative(boxes: Many, width: float, height: float, frame: float = FRAME) -> Boxes: ...
def to_relative(boxes: Box | Many, width: float, height: float, frame: float = FRAME) -> Box | Boxes:
    """Turn pixels into parts of the picture, 0 to `frame`."""
    return _like(boxes, as_boxes(boxes) * frame / _size(width, height))


@overload
def to_pixels(boxes: Box, width: float, height: float, frame: float = FRAME) -> Box: ...
@overload
def to_pixels(boxes: Many, width: float, height: float, frame: float = FRAME) -> Boxes: ...
def to_pixels(boxes: Box | Many, width: float, height: float, frame: float = FRAME) -> Box | Boxes:
    """Turn parts of the picture, 0 to `frame`, into pixels."""
    return _like(boxes, as_boxes(boxes) * _size(width, height) / frame)
