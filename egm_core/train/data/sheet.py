"""The contact sheet of a run's data: some samples on one picture, as `egm data show` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from egm_core.data.show import of_sample, sheet
from egm_core.sample import Sample

SHEET = "data_sheet.png"
SHOWN = 12
COLUMNS = 4


def write_sheet(file: Path, samples: Sequence[tuple[str, Sample]]) -> bool:
    """Draw placed samples into a PNG; False, and no file, where there is none."""
    file.unlink(missing_ok=True)
    if not samples:
        return False
    drawn, _ = sheet([of_sample(Path(place).name, sample) for place, sample in samples], COLUMNS)
    return cv2.imwrite(str(file), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
