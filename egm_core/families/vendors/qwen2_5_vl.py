"""Qwen2.5-VL: pixels of the picture as its processor resizes it, so that pictures are sent with such a size."""

from __future__ import annotations

import math
from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

PATCH = 28
LEAST_PIXELS, MOST_PIXELS = 4 * PATCH * PATCH, 16384 * PATCH * PATCH


class Qwen25VL(Vendor):
    """Qwen2.5-VL, by its cookbook.

    A server that was started with a smaller pixel budget resizes once more, and its boxes are then too small: start it
    with the model's own.
    """

    name = "qwen2_5_vl"
    served = r"(?:.*[-_/])?qwen[-_ ]?2[._]?5[-_ ]?vl.*"
    written = Frame("pixels")
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Locate {sent}, output its bbox coordinates using JSON format.",
        "amodal": "Locate {sent} amodally, output its bbox coordinates using JSON format.",
    }

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Give the size to which the processor resizes: multiples of 28 in its budget, which it then leaves alone."""
        wide, high = (max(PATCH, round(side / PATCH) * PATCH) for side in (width, height))
        if wide * high > MOST_PIXELS:
            shrink = math.sqrt(width * height / MOST_PIXELS)
            wide, high = (max(PATCH, math.floor(side / shrink / PATCH) * PATCH) for side in (width, height))
        elif wide * high < LEAST_PIXELS:
            grow = math.sqrt(LEAST_PIXELS / (width * height))
            wide, high = (math.ceil(side * grow / PATCH) * PATCH for side in (width, height))
        return wide, high

    @property
    def pictures(self) -> str:
        """How pictures are sent."""
        return f"resized to multiples of {PATCH} pixels, {LEAST_PIXELS} to {MOST_PIXELS} pixels in all"
