"""How boxes are drawn by a viewer over the camera's own images: lines and words, in the colours of `draw`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from egm_core.boxes import Box
from egm_core.pictures.draw import AMODAL, VISIBLE, Color, Point, dash_ends

# In pixels of the image.
THICKNESS, DASH, LETTERS = 3.0, 12.0, 18.0


@dataclass(frozen=True)
class Lines:
    """Lines of one colour: closed through all points, or else each from one point to the next, in pairs."""

    closed: bool
    points: tuple[Point, ...]
    color: Color


def solid(box: Box, color: Color = VISIBLE) -> Lines:
    """Draw a visible box."""
    return Lines(True, tuple(corners(box)), color)


def dashed(box: Box, color: Color = AMODAL) -> Lines:
    """Draw an amodal box."""
    around = corners(box)
    sides = zip(around, [*around[1:], around[0]], strict=True)
    return Lines(False, tuple(_ends(sides)), color)


def corners(box: Box) -> list[Point]:
    """Give a box's corners, one after the other."""
    x0, y0, x1, y1 = box
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _ends(sides: Iterator[Sequence[Point]]) -> Iterator[Point]:
    for first, last in sides:
        for ends in dash_ends(first, last, DASH):
            yield from ends
