"""Contact sheets of sample files and of questions: pictures with both boxes, the expression and its origin."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.data.questions import are_questions, read_questions
from egm_core.data.readers.kind import DataError
from egm_core.pictures.draw import draw, mounted
from egm_core.pictures.source import read
from egm_core.sample import Sample, read_placed

Picture = NDArray[np.uint8]
TILE = 420
# How much of a picture's side is shown beyond it, where an amodal box leaves it.
BEYOND = 0.5
GREY = 128
# Heights below a tile: a line of where it comes from, and three of words.
_ORIGIN, _WORDS = 28, 74


@dataclass(frozen=True)
class Shown:
    """What a tile shows; a question has no boxes, which its origin says. `size` is (width, height) as recorded."""

    place: str
    picture: str
    words: str
    origin: str
    visible: Box | None = None
    amodal: Box | None = None
    size: tuple[int, int] | None = None


def of_sample(place: str, sample: Sample) -> Shown:
    """Give what a sample's tile shows."""
    state = "ABSENT" if sample.absent else "HIDDEN" if sample.hidden else ""
    share = "" if sample.visible_fraction is None else f"{sample.visible_fraction:.0%} visible"
    origin = " ".join(filter(None, (sample.source, sample.split, sample.image_id, sample.task)))
    mirrored = "mirrored" if sample.mirrored else ""
    hidden_by = f"behind {', '.join(sample.occluders)}" if sample.occluders else ""
    line = " | ".join(filter(None, (state, share, mirrored, origin, hidden_by)))
    return Shown(
        place, sample.picture, sample.sent, line, sample.bbox, sample.amodal_bbox, (sample.width, sample.height)
    )


def chosen(path: Path, count: int, seed: int) -> tuple[list[Shown], int]:
    """Draw some of a file's samples or questions at random, in the file's order; gives them and their whole number."""
    draws, number = random.Random(seed), 0
    kept: list[tuple[int, Shown]] = []
    for number, shown in enumerate(_all(path), 1):
        if len(kept) < count:
            kept.append((number, shown))
        elif (at := draws.randrange(number)) < count:
            kept[at] = (number, shown)
    return [shown for _, shown in sorted(kept, key=lambda pair: pair[0])], number


def _all(path: Path) -> Iterable[Shown]:
    if are_questions(path):
        for number, one in enumerate(read_questions(path), 1):
            origin = f"{one.source} {one.episode} frame {one.frame} {one.outcome}".strip()
            yield Shown(f"{path.name}:{number}", one.image, one.sent, f"NO BOX KNOWN | {origin}")
    else:
        for place, sample in read_placed(path):
            yield of_sample(Path(place).name, sample)


def sheet(shown: list[Shown], columns: int, tile: int = TILE) -> tuple[Picture, list[str]]:
    """Draw the sheet, and name the pictures that could not be read; their tiles say so."""
    if not shown:
        raise DataError("there is no sample to show")
    unread: list[str] = []
    return mounted([_tile(one, tile, unread) for one in shown], columns), unread


def _tile(shown: Shown, side: int, unread: list[str]) -> Picture:
    try:
        image = read(shown.picture, trusted=True)
    except (OSError, ValueError) as error:
        unread.append(f"{shown.place}: {error}")
        blank = np.full((side * 3 // 4, side, 3), GREY, np.uint8)
        return _captioned(draw(blank, label="this picture cannot be read"), shown)
    if shown.size and shown.size != (image.shape[1], image.shape[0]):
        wrong = f"RECORD SAYS {shown.size[0]} x {shown.size[1]}, PICTURE HAS {image.shape[1]} x {image.shape[0]}"
        shown = replace(shown, origin=f"{wrong} | {shown.origin}")
    padded, left, top = _padded(image, shown.amodal)
    scale = side / max(padded.shape[:2])
    size = max(1, round(padded.shape[1] * scale)), max(1, round(padded.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(padded, size, interpolation=way), np.uint8)

    def moved(box: Box | None) -> Box | None:
        if box is None:
            return None
        return (box[0] + left) * scale, (box[1] + top) * scale, (box[2] + left) * scale, (box[3] + top) * scale

    return _captioned(draw(small, moved(shown.visible), moved(shown.amodal), scale=0.8), shown)


def _padded(image: Picture, amodal: Box | None) -> tuple[Picture, int, int]:
    """Add grey where an amodal box leaves the picture; gives what was added left and above, too."""
    if amodal is None:
        return image, 0, 0
    height, width = image.shape[:2]
    most = round(BEYOND * width), round(BEYOND * height)

    def needed(beyond: float, axis: int) -> int:
        return 0 if beyond <= 0 else min(round(beyond) + 4, most[axis])

    left, top = needed(-amodal[0], 0), needed(-amodal[1], 1)
    right, bottom = needed(amodal[2] - width, 0), needed(amodal[3] - height, 1)
    grown = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
    return np.asarray(grown, np.uint8), left, top


def _captioned(picture: Picture, shown: Shown) -> Picture:
    origin = draw(np.full((_ORIGIN, picture.shape[1], 3), 255, np.uint8), label=f"{shown.place} {shown.origin}")
    words = draw(np.full((_WORDS, picture.shape[1], 3), 255, np.uint8), label=shown.words, scale=1.2)
    return np.vstack([picture, origin, words])
