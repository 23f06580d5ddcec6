"""What a source of pictures gives: frames, and with each what is known of its camera. Nothing here imports ROS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Where a source says what a user should know: something is broken, left out or chosen.
Tell = Callable[[str], None]


class SourceError(ValueError):
    """A source that cannot be opened or read; the message names it and what to do."""


@dataclass(frozen=True)
class Region:
    """The part of a sensor's pixels that a camera sends, as sensor_msgs/RegionOfInterest; all 0: the whole."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0
    do_rectify: bool = False


@dataclass(frozen=True)
class Intrinsics:
    """A camera as sensor_msgs/CameraInfo describes it, in pixels of the full sensor.

    `projection` is P, row by row, and empty where it follows from the focal lengths and the centre; `size` is the
    sensor's (width, height), None where it is the picture's.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    model: str = "plumb_bob"
    distortion: tuple[float, ...] = (0.0,) * 5
    rectification: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    projection: tuple[float, ...] = ()
    skew: float = 0.0
    size: tuple[int, int] | None = None
    binning: tuple[int, int] = (0, 0)
    region: Region = field(default_factory=Region)

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float) -> Intrinsics:
        """Make the camera of an image whose width spans `fov` degrees."""
        focal = width / 2 / math.tan(math.radians(fov) / 2)
        return cls(focal, focal, width / 2, height / 2)


@dataclass(frozen=True)
class Frame:
    """One picture: RGB (height, width, 3), and where the source knows it, its camera and its depth in metres."""

    image: NDArray[np.uint8]
    intrinsics: Intrinsics | None = None
    depth: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Source:
    """A named supply of pictures at its own rate; `frames` starts it from the beginning.

    `shows` are expressions for what is there in the beginning; empty where the source does not know it.
    """

    name: str
    rate: float
    frames: Callable[[], Iterator[Frame]]
    shows: tuple[str, ...] = ()


class Skipping:
    """Counts the pictures of one run through a source that cannot be read, and says so; the run goes on."""

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._good = self._bad = 0
        self._last = ""

    def good(self) -> None:
        """Count a picture that could be read."""
        self._good += 1

    def bad(self, which: str, error: Exception) -> None:
        """Count a picture that could not be read; the first few are named one by one."""
        self._bad += 1
        self._last = f"{which}: {error}"
        if self._bad <= 3:
            self._tell(f"{self._name}: left out {self._last}")

    def end(self) -> None:
        """Say how many were left out; SourceError if that is all of them."""
        if self._bad and not self._good:
            raise SourceError(f"{self._name}: none of {self._bad} pictures can be read; the last one, {self._last}")
        if self._bad:
            self._tell(
                f"{self._name}: {self._bad} of {self._bad + self._good} pictures cannot be read and were left out"
            )
