"""Boxes: xyxy floats with half-open pixel edges, singly or as arrays (N, 4).

A box covers the pixels from x0 up to but not including x1, so its width is x1 - x0 (no +1). Relative boxes
count thousandths of the picture, both ends included. Empty and inverted boxes have no area, and overlap nothing.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Box = tuple[float, float, float, float]
Boxes = NDArray[np.float64]
FRAME = 1000.0


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Return boxes as a float array (N, 4); ValueError when the last axis isn't 4."""
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape[-1:] != (4,):
        raise ValueError(f"boxes need a last axis of 4 (x0, y0, x1, y1), not the shape {array.shape}")
    return array


def as_box(array: ArrayLike) -> Box:
    """Return one box as a tuple of floats."""
    x0, y0, x1, y1 = (float(v) for v in np.asarray(array, dtype=np.float64).reshape(4))
    return x0, y0, x1, y1


def area(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the area of each box, 0 for an empty or inverted one."""
    array = as_boxes(boxes)
    sides = np.clip(array[..., 2:] - array[..., :2], 0, None)
    return cast(NDArray[np.float64], sides[..., 0] * sides[..., 1])


def intersection(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the overlapping area of boxes, pair by pair (shapes broadcast)."""
    one, two = as_boxes(a), as_boxes(b)
    low, high = np.maximum(one[..., :2], two[..., :2]), np.minimum(one[..., 2:], two[..., 2:])
    sides = np.clip(high - low, 0, None)
    inverted = (area(one) == 0) | (area(two) == 0)
    return np.where(inverted, 0.0, sides[..., 0] * sides[..., 1])


def iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the intersection over union of boxes, pair by pair; 0 where either is empty, never NaN."""
    shared = intersection(a, b)
    joined = area(a) + area(b) - shared
    return np.divide(shared, joined, out=np.zeros_like(shared), where=joined > 0)


def pairwise_iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the IoU of every box of `a` (N, 4) with every box of `b` (M, 4), as (N, M)."""
    return iou(as_boxes(a)[:, None], as_boxes(b)[None, :])


def clip(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """Return boxes cut to a picture of that width and height."""
    limits = np.array([width, height, width, height], np.float64)
    return np.clip(as_boxes(boxes), 0, limits)


def union(a: ArrayLike, b: ArrayLike) -> Boxes:
    """Return the smallest box around each pair; an empty box adds nothing."""
    one, two = as_boxes(a), as_boxes(b)
    both = np.concatenate([np.minimum(one[..., :2], two[..., :2]), np.maximum(one[..., 2:], two[..., 2:])], -1)
    return np.where((area(one) == 0)[..., None], two, np.where((area(two) == 0)[..., None], one, both))


def contains(outer: ArrayLike, inner: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
    """Tell whether each inner box lies in the outer one, allowing it to stand out by a margin."""
    one, two = as_boxes(outer), as_boxes(inner)
    low = (two[..., :2] >= one[..., :2] - margin).all(-1)
    return cast(NDArray[np.bool_], low & (two[..., 2:] <= one[..., 2:] + margin).all(-1))


def sort_corners(boxes: ArrayLike) -> Boxes:
    """Return boxes whose first corner is the upper left one."""
    array = as_boxes(boxes)
    return np.concatenate(
        [np.minimum(array[..., :2], array[..., 2:]), np.maximum(array[..., :2], array[..., 2:])], -1
    )


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Turn (left, top, width, height), as COCO writes it, into corners."""
    array = as_boxes(boxes)
    return np.concatenate([array[..., :2], array[..., :2] + array[..., 2:]], -1)


def xyxy_to_xywh(boxes: ArrayLike) -> Boxes:
    """Turn corners into (left, top, width, height), as COCO writes it."""
    array = as_boxes(boxes)
    return np.concatenate([array[..., :2], array[..., 2:] - array[..., :2]], -1)


def xyxy_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """Turn corners into (centre x, centre y, width, height), as vision_msgs writes it."""
    array = as_boxes(boxes)
    return np.concatenate([(array[..., :2] + array[..., 2:]) / 2, array[..., 2:] - array[..., :2]], -1)


def cxcywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """Turn (centre x, centre y, width, height), as vision_msgs writes it, into corners."""
    array = as_boxes(boxes)
    half = array[..., 2:] / 2
    return np.concatenate([array[..., :2] - half, array[..., :2] + half], -1)


def to_relative(boxes: ArrayLike, width: float, height: float, frame: float = FRAME) -> Boxes:
    """Turn pixels into parts of the picture, 0 to `frame` inclusive (thousandths by default)."""
    return as_boxes(boxes) * frame / np.array([width, height, width, height], np.float64)


def to_pixels(boxes: ArrayLike, width: float, height: float, frame: float = FRAME) -> Boxes:
    """Turn parts of the picture, 0 to `frame`, into pixels."""
    return as_boxes(boxes) * np.array([width, height, width, height], np.float64) / frame
