"""Depth images that wait for their answer: as they came where there is room, else at 16 bit and no denser than fits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.lifting.surface import Depth
from egm_core.streams.picture_memory import AS_THEY_CAME, LIMIT, PictureMemory

# The longer side of a depth image keeps so many pixels; where they take too much memory, the oldest images go.
LEAST_SIDE = 320
# Metres are kept as logarithms in equal steps: a value is off by 0.014 % at most, less than any sensor's.
NEAREST, FARTHEST = 0.001, 60_000.0
_CODES = 65_534
# Part of the memory that is planned for: a camera's rate is never quite even.
_PLANNED = 0.95
_STEP = math.log(FARTHEST / NEAREST) / _CODES


@dataclass(frozen=True, eq=False)
class SmallDepth:
    """A depth image that takes less memory: 16 bits a pixel, and of its rows and columns every few only.

    `samples` (h, w) are millimetres, or codes of metres; 0 is not measured. `size` is (width, height) as it came.
    """

    header: Any
    samples: NDArray[np.uint16]
    millimetres: bool
    size: tuple[int, int]

    @property
    def data(self) -> NDArray[np.uint8]:
        """The bytes that it takes."""
        return self.samples.reshape(-1).view(np.uint8)

    @property
    def density(self) -> float:
        """The part of its pixels that was kept."""
        return self.samples.size / (self.size[0] * self.size[1])

    def metres(self) -> Depth:
        """Give the depth in metres (h, w), NaN where nothing was measured."""
        known = self.samples.astype(np.float32)
        depth = known * np.float32(0.001) if self.millimetres else NEAREST * np.exp((known - 1) * np.float32(_STEP))
        depth[self.samples == 0] = np.nan
        return np.asarray(depth, np.float32)


def small_depth(header: Any, samples: NDArray[Any], budget: float) -> SmallDepth:
    """Make a depth image (H, W) as small as `budget` bytes, if that leaves it LEAST_SIDE pixels.

    `samples` are millimetres where they are of whole numbers, else metres. Pixels are left out, never mixed: between
    an object and what is behind it there is nothing.
    """
    high, wide = samples.shape
    part = max(math.sqrt(budget / (2 * high * wide)), LEAST_SIDE / max(high, wide))
    if part < 1.0:
        rows, columns = (
            ((np.arange(count) + 0.5) * (size / count)).astype(np.intp)
            for size, count in ((high, max(1, int(high * part))), (wide, max(1, int(wide * part))))
        )
        samples = samples.take(rows, axis=0).take(columns, axis=1)
    if np.issubdtype(samples.dtype, np.integer):
        return SmallDepth(header, np.ascontiguousarray(samples, np.uint16), True, (wide, high))
    measured = np.isfinite(samples) & (samples > 0)
    known = np.clip(np.where(measured, samples, 1.0), NEAREST, FARTHEST).astype(np.float32)
    codes = 1 + np.rint(np.log(known / np.float32(NEAREST)) / np.float32(_STEP))
    return SmallDepth(header, np.where(measured, codes, 0).astype(np.uint16), False, (wide, high))


# Makes a message of depth as small as a number of bytes, or gives back what it cannot read.
Thin = Callable[[Any, float], Any]


def as_it_came(message: Any, budget: float) -> Any:
    """Leave a message as it is."""
    return message


class DepthMemory(PictureMemory):
    """The depth images of one camera; older ones are made so small that `seconds` of them fit in `limit` bytes."""

    def __init__(self, seconds: float, limit: int = LIMIT, thin: Thin = as_it_came) -> None:
        super().__init__(seconds, limit, self._smaller)
        self._thin = thin

    def _smaller(self, message: Any) -> Any:
        """Make an image small where there is no room for it as it came."""
        size = len(message.data)
        budget = self._budget(size)
        return message if size <= budget else self._thin(message, budget)

    def _budget(self, size: int) -> float:
        """Give the bytes that an image of this size may take once others are as they came."""
        number = self.rate * self.seconds + 1
        loose = max(1, int(AS_THEY_CAME * self.limit / size))
        return _PLANNED * (self.limit - loose * size) / (number - loose) if number > loose else math.inf
