"""The contact sheet of a run's data: some samples on one picture, visible boxes solid, amodal ones dashed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.pictures.draw import draw, mounted
from egm_core.pictures.source import read
from egm_core.sample import Sample

SHEET = "data_sheet.png"
SHOWN = 12
COLUMNS = 4
TILE = 420


def write_sheet(file: Path, samples: Sequence[tuple[str, Sample]]) -> bool:
    """Draw placed samples into a PNG; False, and no file, where there is none."""
    file.unlink(missing_ok=True)
    if not samples:
        return False
    sheet = mounted([_tile(place, sample) for place, sample in samples], COLUMNS)
    return cv2.imwrite(str(file), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _tile(place: str, sample: Sample) -> NDArray[np.uint8]:
    image = read(sample.picture, trusted=True)
    scale = TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
    # Of the record's size, so that a wrong one shows.
    shares = size[0] / sample.width, size[1] / sample.height

    def scaled(box: Box | None) -> Box | None:
        return box and (box[0] * shares[0], box[1] * shares[1], box[2] * shares[0], box[3] * shares[1])

    line = Path(place).name
    absent = ": absent" if sample.absent else ": hidden" if sample.hidden else ""
    return draw(small, scaled(sample.bbox), scaled(sample.amodal_bbox), f"{line} {sample.sent}{absent}", scale=0.8)
