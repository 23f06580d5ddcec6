"""In which numbers a file's boxes are written: pixels of corners, or something that passes for them.

One box of `x, y, width, height` may pass for corners, and one in thousandths for pixels of a large picture. A whole
file of them does not: of boxes that lie anywhere, half have their centre to the right of the middle, and half below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from egm_core.boxes import FRAME
from egm_core.sample import Sample

# With as many different boxes, all of them in one quarter of their picture is one chance in 65,000.
ENOUGH = 8
# The same for boxes that all end at 1000: one chance in 22,000 (e^-10).
SURPRISE = 10.0
MOST = 4096


class Layout:
    """What a file's boxes have in common, box by box."""

    def __init__(self) -> None:
        self.records = 0
        self._boxes: set[tuple[float, ...]] = set()
        self._beyond_middle = False
        self._beyond_frame = False
        self._surprise = 0.0

    def take(self, sample: Sample) -> None:
        """Count a record; the same box again tells nothing new."""
        self.records += 1
        box = sample.bbox or sample.amodal_bbox
        if box is None or len(self._boxes) >= MOST or box in self._boxes:
            return
        self._boxes.add(box)
        x0, y0, x1, y1 = box
        if min(box) >= 0 and max(box) <= 1:
            # Another kind says that better.
            self._beyond_middle = True
        self._beyond_middle = self._beyond_middle or x0 + x1 > sample.width or y0 + y1 > sample.height
        for end, size in ((x1, sample.width), (y1, sample.height)):
            if size > FRAME:
                self._surprise += math.log(size / FRAME)
                self._beyond_frame = self._beyond_frame or end > FRAME

    def judge(self) -> Iterator[tuple[str, str]]:
        """Give the kinds of wrong numbers that the file looks like."""
        count = len(self._boxes)
        if count >= ENOUGH and not self._beyond_middle:
            yield "xywh", f"all {count} different boxes fit as x, y, width, height, and lie in the upper left quarter"
        elif self._surprise >= SURPRISE and not self._beyond_frame:
            yield "thousandths", f"all {count} different boxes end at {FRAME:g}, in pictures that are larger"
