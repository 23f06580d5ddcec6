"""Draws boxes into pictures the way all of egm_ros shows them: visible solid, amodal dashed, with a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, as_boxes

Color: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]
Shown: TypeAlias = Box | Sequence[Box] | None

VISIBLE: Color = (40, 220, 90)
AMODAL: Color = (255, 150, 30)
# The same two for boxes that were carried to the picture.
NOW_VISIBLE: Color = (60, 150, 255)
NOW_AMODAL: Color = (190, 120, 255)
INK: Color = (255, 255, 255)
PLATE: Color = (20, 20, 20)
OUTLINE: Color = (0, 0, 0)

# White between the pictures of a sheet.
GAP = 6

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BASE_HEIGHT = 22


def check_writable(file: Path) -> None:
    """Check a picture's name before there is a picture to write; ValueError says what is wrong with it."""
    try:
        known = cv2.haveImageWriter(str(file))
    except cv2.error:
        known = False
    if not known:
        raise ValueError(f"cannot write {file}: give a name that ends in .png or .jpg")
    if not file.parent.is_dir():
        raise ValueError(f"cannot write {file}: there is no folder {file.parent}")


def draw(
    image: NDArray[np.uint8],
    visible: Shown = None,
    amodal: Shown = None,
    label: str = "",
    scale: float = 1.0,
    colors: tuple[Color, Color] | None = None,
) -> NDArray[np.uint8]:
    """Give a copy of a picture with visible boxes solid, amodal ones dashed, and a label in the upper left corner.

    `image` is (H, W, 3) RGB, or mono as (H, W) or (H, W, 1); the copy is always (H, W, 3). Boxes are in pixels, one,
    several or None; what leaves the frame is cut at its edge. Lines and letters grow with the picture, and with
    `scale`. Characters that the font lacks show as '?'. `colors` are those of the visible and the amodal boxes.
    """
    canvas = _rgb(image)
    width = _line_width(canvas, scale)
    solid, dashed = colors or (VISIBLE, AMODAL)
    for box in as_list(visible):
        _solid(canvas, box, solid, width)
    # Dashes over the solid line: where both boxes share an edge, both colours show.
    for box in as_list(amodal):
        _dashed(canvas, box, dashed, width)
    if label:
        _write(canvas, label, scale)
    return canvas


def tagged(
    image: NDArray[np.uint8], tags: Sequence[tuple[Box, str]], color: Color, scale: float = 1.0
) -> NDArray[np.uint8]:
    """Give a copy of a picture with words at boxes, on plates of a color: above, below or inside, where there is room.

    A plate covers no other plate as long as one of these places is free, and as few other boxes as may be. Boxes
    outside the picture get none.
    """
    canvas = _rgb(image)
    high, wide = canvas.shape[:2]
    size = max(0.35, min(high, wide) / 900) * scale
    stroke, margin = max(1, round(size * 1.6)), max(2, round(8 * size))
    taken: list[tuple[int, int, int, int]] = []
    outlines = [_corners(canvas, box, 0) for box, _ in tags]
    for corners, (_, words) in zip(outlines, tags, strict=True):
        if corners is None or not words:
            continue
        row = _fitting(words.encode("ascii", "replace").decode(), wide - 2 * margin, size, stroke)
        (across, tall), base = cv2.getTextSize(row, _FONT, size, stroke)
        plate = across + 2 * margin, tall + base + margin
        x = min(max(corners[0], 0), wide - plate[0])
        tops = (corners[1] - plate[1], corners[3] + 1, max(corners[1], 0) + 1)
        places = [(x, y, x + plate[0], y + plate[1]) for y in tops if 0 <= y <= high - plate[1]]
        free = [place for place in places if not any(_meet(place, other) for other in taken)]
        others = [outline for outline in outlines if outline is not None and outline != corners]
        free.sort(key=lambda place: sum(_meet(place, other) for other in others))
        x0, y0, x1, y1 = [*free, *places, (x, 0, x + plate[0], plate[1])][0]
        taken.append((x0, y0, x1, y1))
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), color, cv2.FILLED)
        cv2.putText(canvas, row, (x0 + margin, y1 - base - margin // 2), _FONT, size, OUTLINE, stroke, cv2.LINE_AA)
    return canvas


def _meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def mounted(tiles: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Return pictures of any size (each H, W, 3 RGB) side by side on white, in rows of `columns`."""
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    height = sum(max(t.shape[0] for t in row) + GAP for row in rows) + GAP
    width = max(sum(t.shape[1] + GAP for t in row) for row in rows) + GAP
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    y = GAP
    for row in rows:
        _place(canvas, row, y)
        y += max(t.shape[0] for t in row) + GAP
    return canvas


def _place(canvas: NDArray[np.uint8], row: Sequence[NDArray[np.uint8]], y: int) -> None:
    x = GAP
    for picture in row:
        canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        x += picture.shape[1] + GAP


def as_list(shown: Shown) -> list[Box]:
    """Give one box, several or None as a list of those that can be drawn: finite ones."""
    if shown is None or len(shown) == 0:
        return []
    rows = as_boxes(shown).reshape(-1, 4).tolist()
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in rows if np.isfinite([x0, y0, x1, y1]).all()]


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"can't draw into {image.dtype} of shape {image.shape}; give uint8 (H, W, 3) RGB or (H, W) mono"
        )
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.shape[2] != 3:
        raise ValueError(f"a picture of {image.shape[2]} channels can't be drawn into; give RGB or mono")
    return np.array(image, order="C")


def _line_width(canvas: NDArray[np.uint8], scale: float) -> int:
    size: int = min(canvas.shape[:2])
    return max(1, round((1 + size / 300) * scale))


def _corners(canvas: NDArray[np.uint8], box: Box, width: int) -> tuple[int, int, int, int] | None:
    """Give the pixel rows and columns that a box's outline runs through, or None for a box outside the picture.

    Edges beyond the frame are kept just outside it, so that they stay unseen and the numbers small.
    """
    high, wide = canvas.shape[:2]
    x0, y0, x1, y1 = box
    if min(x1, wide) <= max(x0, 0) or min(y1, high) <= max(y0, 0):
        return None
    beyond = 2 * width + 2

    def within(value: float, size: int) -> int:
        return round(min(max(value, -beyond), size + beyond))

    return within(x0, wide), within(y0, high), within(x1, wide) - 1, within(y1, high) - 1


def _solid(canvas: NDArray[np.uint8], box: Box, color: Color, width: int) -> None:
    corners = _corners(canvas, box, width)
    if corners:
        x0, y0, x1, y1 = corners
        for ink, thickness in _strokes(color, width):
            cv2.rectangle(canvas, (x0, y0), (x1, y1), ink, thickness)


def _strokes(color: Color, width: int) -> list[tuple[Color, int]]:
    """List colour and thickness of a line's strokes; thin lines go without an outline, which would drown them."""
    return [(OUTLINE, width + 2), (color, width)] if width > 2 else [(color, width)]


def _dashed(canvas: NDArray[np.uint8], box: Box, color: Color, width: int) -> None:
    corners = _corners(canvas, box, width)
    if not corners:
        return
    x0, y0, x1, y1 = corners
    dash = max(5 * width, 6)
    for ink, thickness in _strokes(color, width):
        for (ax, ay), (bx, by) in (
            ((x0, y0), (x1, y0)),
            ((x1, y0), (x1, y1)),
            ((x0, y1), (x1, y1)),
            ((x0, y0), (x0, y1)),
        ):
            _dashes(canvas, (ax, ay), (bx, by), dash, ink, thickness)


def _dashes(canvas: NDArray[np.uint8], start: Point, end: Point, dash: int, color: Color, width: int) -> None:
    """Draw a dashed line that begins and ends with a dash, so that corners are always closed."""
    for a, b in dash_ends(start, end, dash):
        cv2.line(canvas, (round(a[0]), round(a[1])), (round(b[0]), round(b[1])), color, width)


def dash_ends(start: Point, end: Point, dash: float) -> Iterator[tuple[Point, Point]]:
    """Give both ends of each dash of an upright or level line, of which the first and the last touch its ends."""
    (ax, ay), (bx, by) = start, end
    pairs = max(0, round(((abs(bx - ax) + abs(by - ay)) / dash - 1) / 2))
    steps = 2 * pairs + 1

    def at(part: int) -> Point:
        return ax + (bx - ax) * part / steps, ay + (by - ay) * part / steps

    for part in range(0, steps, 2):
        yield at(part), at(part + 1)


def _write(canvas: NDArray[np.uint8], label: str, scale: float) -> None:
    """Write a label on a dark plate along the upper edge, in as many lines as it needs."""
    high, wide = canvas.shape[:2]
    size = max(0.35, min(canvas.shape[:2]) / 700) * scale
    stroke = max(1, round(size * 1.6))
    margin = max(2, round(_BASE_HEIGHT * size * 0.35))
    rows = _wrap(label.encode("ascii", "replace").decode(), wide - 2 * margin, size, stroke)
    (_, tall), base = cv2.getTextSize("Ag", _FONT, size, stroke)
    step = tall + base + max(1, margin // 2)
    bottom = min(high, margin + step * len(rows))
    plate = canvas[:bottom].astype(np.float32)
    broad = min(wide, 2 * margin + max(cv2.getTextSize(row, _FONT, size, stroke)[0][0] for row in rows))
    plate[:, :broad] = plate[:, :broad] * 0.25 + np.array(PLATE) * 0.75
    canvas[:bottom] = plate.astype(np.uint8)
    for number, row in enumerate(rows):
        at = (margin, margin + tall + step * number)
        cv2.putText(canvas, row, at, _FONT, size, INK, stroke, cv2.LINE_AA)


def _wrap(text: str, limit: int, size: float, stroke: int) -> list[str]:
    """Break a text into at most three lines that fit; what doesn't is cut with an ellipsis."""

    rows = [""]
    for word in text.split():
        joined = f"{rows[-1]} {word}".strip()
        if _fits(joined, limit, size, stroke) or not rows[-1]:
            rows[-1] = joined
        else:
            rows.append(word)
    shortened = rows[:3]
    if len(rows) > 3:
        shortened[-1] += " ..."
    return [_fitting(row, limit, size, stroke) for row in shortened]


def _fitting(row: str, limit: int, size: float, stroke: int) -> str:
    """Cut a row with an ellipsis where it is too long."""
    while len(row) > 4 and not _fits(row, limit, size, stroke):
        row = row.removesuffix("...")[:-1] + "..."
    return row


def _fits(row: str, limit: int, size: float, stroke: int) -> bool:
    return bool(cv2.getTextSize(row, _FONT, size, stroke)[0][0] <= limit)
