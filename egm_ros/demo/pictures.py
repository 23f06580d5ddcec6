"""What the demonstration leaves: a contact sheet and a film of what the overlay showed."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from egm_core.boxes import Box
from egm_core.pictures.draw import VISIBLE, draw, tagged
from egm_ros.common.pictures.images import RGB

TILE = (480, 360)
CAPTION_LINES, CAPTION_WIDTH = 6, 62
LINE = 20
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK, PAPER = (30, 30, 30), 250


def contact_sheet(path: Path, tiles: Sequence[tuple[RGB, str]], columns: int = 3) -> None:
    """Write pictures with their captions below them, side by side, as one PNG."""
    made = [_tile(image, caption) for image, caption in tiles]
    made += [np.full_like(made[0], PAPER)] * (-len(made) % columns)
    rows = [np.hstack(made[start : start + columns]) for start in range(0, len(made), columns)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def film(path: Path, images: Sequence[RGB], rate: float) -> None:
    """Write pictures, whatever their sizes, as one MP4 (MPEG-4 part 2: OpenCV's VP9 is forty times slower)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, TILE)
    if not writer.isOpened():
        raise RuntimeError("OpenCV cannot write MP4: install opencv-python-headless from its wheel")
    for image in images:
        writer.write(cv2.cvtColor(_fitted(image), cv2.COLOR_RGB2BGR))
    writer.release()


def answered(image: RGB, label: str, found: Sequence[tuple[str, Box, Box | None]]) -> RGB:
    """Draw the answers for a picture into it, as the overlay does, so large that a tile can be read.

    `found` has the words beside each box, the visible box and the amodal one.
    """
    scale = max(1, round(TILE[0] / image.shape[1]))
    large = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)

    def there(box: Box) -> Box:
        return box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale

    visible = [there(box) for _, box, _ in found]
    large = draw(large, visible, [there(whole) for *_, whole in found if whole is not None], label)
    return tagged(large, list(zip(visible, (words for words, *_ in found), strict=True)), VISIBLE)


def _fitted(image: RGB) -> RGB:
    """Fit a picture into a tile, with margins where the shapes differ."""
    width, height = TILE
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (math.floor(image.shape[1] * scale), math.floor(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=method)
    return canvas


def _tile(image: RGB, caption: str) -> RGB:
    wrapped = [part for line in caption.splitlines() for part in textwrap.wrap(line, CAPTION_WIDTH) or [""]]
    strip = np.full((CAPTION_LINES * LINE + 12, TILE[0], 3), PAPER, np.uint8)
    for number, line in enumerate(wrapped[:CAPTION_LINES]):
        cv2.putText(strip, line, (8, 18 + number * LINE), FONT, 0.42, INK, 1, cv2.LINE_AA)
    tile = np.vstack([_fitted(image), strip])
    return np.pad(tile, ((4, 4), (4, 4), (0, 0)), constant_values=PAPER)
