"""Draws the worst cases of bench_propagation.py: truth, stale and propagated boxes in the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from bench_propagation import USUAL, Clip, Row, read

from egm_core.pictures.draw import draw

COLORS = {"truth": (40, 220, 90), "stale": (235, 70, 60), "propagated": (70, 130, 255)}


def failures(every: Sequence[Clip], rows: Sequence[Row], path: Path) -> None:
    """Draw the worst cases: something passes in front, and small far objects."""
    late = [row for row in rows if row.latency == USUAL.latencies[1]]
    kinds = {
        "something passes": [row for row in late if row.shown < 0.7],
        "small and far": [row for row in late if row.width < 36 and row.shown > 0.9],
        "other": [row for row in late if row.width >= 36 and row.shown > 0.9],
    }
    tiles = []
    for kind, found in kinds.items():
        worst: dict[str, Row] = {}
        for row in sorted(found, key=lambda row: row.propagated[0]):
            worst.setdefault(row.clip, row)
        for row in list(worst.values())[:3]:
            clip = next(clip for clip in every if clip.name == row.clip)
            image = read(clip.files[row.start + round(row.latency * USUAL.rate)])
            for color, box in zip(COLORS.values(), row.boxes, strict=True):
                x0, y0, x1, y1 = (round(edge) for edge in box)
                cv2.rectangle(image, (x0, y0), (x1, y1), color, 2)
            words = f"{kind}: stale {row.stale[0]:.2f}, propagated {row.propagated[0]:.2f} {row.lost}"
            tiles.append(cv2.resize(draw(image, label=words), (480, 360), interpolation=cv2.INTER_AREA))
    tiles += [np.full((360, 480, 3), 250, np.uint8)] * (-len(tiles) % 3)
    sheet = np.vstack([np.hstack(tiles[start : start + 3]) for start in range(0, len(tiles), 3)])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
