"""Small pictures, and a buffer of the newest ones, bounded in time and in bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.streams.picture_memory import PictureMemory

WIDTH = 480


@dataclass(frozen=True, eq=False)
class SmallFrame:
    """A picture as motion is measured in it: grey (h, w), its stamp in nanoseconds, and the size that it was taken in.

    `size` is (width, height) in pixels of the camera, which boxes are in. `chroma`, (h, w, 2), holds Cr and Cb, by
    which things of one brightness are told apart; None for a camera without colour.
    """

    grey: NDArray[np.uint8]
    stamp: int
    size: tuple[int, int]
    chroma: NDArray[np.uint8] | None = None

    @property
    def layers(self) -> tuple[NDArray[np.uint8], ...]:
        """The grey picture, and the chroma where there is any."""
        return (self.grey,) if self.chroma is None else (self.grey, self.chroma)

    @property
    def bytes(self) -> int:
        """Memory that the picture takes."""
        return sum(layer.nbytes for layer in self.layers)

    @property
    def kind(self) -> tuple[object, ...]:
        """What two pictures have to share for anything to be followed from one to the other."""
        return self.size, self.grey.shape, self.chroma is None

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels here for each pixel of the camera, along x and y."""
        height, width = self.grey.shape
        return width / self.size[0], height / self.size[1]

    def inwards(self, box: Box) -> Box:
        """Turn a box in the camera's pixels into one in this picture's."""
        x, y = self.scale
        return box[0] * x, box[1] * y, box[2] * x, box[3] * y

    def outwards(self, box: Box) -> Box:
        """Turn a box in this picture's pixels into one in the camera's."""
        x, y = self.scale
        return box[0] / x, box[1] / y, box[2] / x, box[3] / y


def shrink(image: NDArray[np.uint8], stamp: int, width: int = WIDTH, size: tuple[int, int] | None = None) -> SmallFrame:
    """Make a small frame of a picture, RGB (H, W, 3) or grey (H, W), at most `width` pixels wide.

    `size` is the camera's (width, height), where the picture was already decoded to less than that.
    """
    if image.ndim not in (2, 3) or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"{image.dtype} of shape {image.shape} is no picture; give uint8 (H, W) or (H, W, 3)")
    high, wide = image.shape[:2]
    if wide > width:
        # Shrinking comes first: it leaves less to convert. Every pixel has to count; OpenCV is quick at that by halves.
        smoothed = wide >= 2 * width
        while image.shape[1] >= 2 * width and image.shape[0] > 1:
            half = (image.shape[1] // 2, image.shape[0] // 2)
            image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
        target = (width, max(1, round(high * width / wide)))
        way = cv2.INTER_LINEAR if smoothed else cv2.INTER_AREA
        image = np.asarray(cv2.resize(image, target, interpolation=way), np.uint8)
    if image.ndim == 2:
        return SmallFrame(np.ascontiguousarray(image), stamp, size or (wide, high))
    layers = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.uint8)
    # NumPy copies the last two of three channels ten times more slowly.
    grey, chroma = np.empty(layers.shape[:2], np.uint8), np.empty((*layers.shape[:2], 2), np.uint8)
    cv2.mixChannels([layers], [grey, chroma], [0, 0, 1, 1, 2, 2])
    return SmallFrame(grey, stamp, size or (wide, high), chroma)


class FrameBuffer(PictureMemory):
    """Keeps the newest frames in the order of their stamps; one buffer is one camera without a jump in time."""

    def size(self, message: Any) -> int:
        """Give the bytes that a frame takes."""
        return int(message.bytes)

    @property
    def newest(self) -> SmallFrame | None:
        """The newest frame, if there is one."""
        return self.at(self.moments[-1]) if len(self) else None

    def add(self, frame: SmallFrame) -> bool:
        """Keep a frame; False where it is no newer than the newest, and was not taken in.

        A frame of another size, or without colour after some with, empties the buffer first: nothing can be followed
        across that.
        """
        newest = self.newest
        if newest is not None and frame.stamp <= newest.stamp:
            return False
        if newest is not None and frame.kind != newest.kind:
            self.clear()
        self.keep(frame.stamp, frame)
        return True

    def near(self, stamp: int, seconds: float) -> SmallFrame | None:
        """Give the frame nearest to a stamp, if one is no further away than so many seconds."""
        closest = min(self.moments, key=lambda moment: abs(moment - stamp), default=None)
        return self.at(closest) if closest is not None and abs(closest - stamp) <= seconds * 1e9 else None

    def after(self, stamp: int, most: int, apart: float) -> list[SmallFrame]:
        """Give the frames after a stamp, the newest always among them, thinned out evenly.

        At most `most` are left, or as many as it takes for them to be about `apart` seconds from each other.
        """
        later = [frame for moment in self.moments if moment > stamp and (frame := self.at(moment)) is not None]
        span = (later[-1].stamp - stamp) / 1e9 if later else 0.0
        # Stamps are not even, and a step a little too long is no reason for twice as many.
        return list(thinned(later, max(most, math.ceil(span / apart - 0.1))))


def thinned(frames: list[SmallFrame], most: int) -> Iterable[SmallFrame]:
    """Choose at most `most` frames, evenly, the last one always among them."""
    if len(frames) <= most:
        return frames
    chosen = np.unique(np.round(np.linspace(0, len(frames), most + 1)[1:]).astype(int) - 1)
    return [frames[index] for index in chosen]
