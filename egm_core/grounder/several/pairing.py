"""Pairs visible boxes with amodal ones one to one, and finds boxes that name an object twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from egm_core.assignment import assigned
from egm_core.boxes import Box, area, intersection, iou

# Two visible boxes that are closer than this are one object named twice.
DUPLICATE = 0.8
# An amodal box that holds less of a visible one is no amodal box of it.
HELD = 0.5


@dataclass(frozen=True)
class Pairs:
    """For each visible box the index of its amodal one, or None; and the amodal boxes that went with none."""

    of: tuple[int | None, ...]
    unpaired: tuple[int, ...]


def unique(boxes: Sequence[Box]) -> list[int]:
    """List the indices of the boxes that are no near copies of an earlier one."""
    kept: list[int] = []
    for place, box in enumerate(boxes):
        if all(iou(box, boxes[other]) < DUPLICATE for other in kept):
            kept.append(place)
    return kept


def paired(visible: Sequence[Box], amodal: Sequence[Box]) -> Pairs:
    """Pair boxes so that the sum of containment and IoU is largest; a pair holds half of the visible box or more."""
    worth = np.zeros((len(visible), len(amodal)))
    for row, seen in enumerate(visible):
        for column, whole in enumerate(amodal):
            held = intersection(seen, whole) / area(seen)
            worth[row, column] = held + iou(seen, whole) if held >= HELD else 0.0
    chosen = dict(assigned(worth))
    unpaired = set(range(len(amodal))) - set(chosen.values())
    return Pairs(tuple(map(chosen.get, range(len(visible)))), tuple(sorted(unpaired)))
