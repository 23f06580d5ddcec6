"""gRefCOCO's figures by the rule of its own code: boxes match by GIoU, best pair first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egm_core.boxes import Box
from egm_core.evaluate.reports.theirs import giou

MATCHED = 0.5


def whole(said: Sequence[Box], true: Sequence[Box]) -> bool:
    """Tell whether F1 is 1: each object has its box, and each box its object."""
    return len(said) == len(true) == matched(said, true)


def matched(said: Sequence[Box], true: Sequence[Box]) -> int:
    """Count the pairs that the code makes: the best pair of all is taken, and then the best of the rest."""
    worth = np.array([[giou(one, other) for other in true] for one in said]).reshape(len(said), len(true))
    for count in range(min(worth.shape)):
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[row, column] < MATCHED:
            return count
        worth[row, :] = worth[:, column] = -1.0
    return min(worth.shape)
