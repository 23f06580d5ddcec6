"""Claude: pixels of the picture as its API resizes it, so that pictures are resized before they are sent."""

from __future__ import annotations

from math import ceil
from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

PATCH = 28
_FORM = (
    "as [x1, y1, x2, y2] (top-left and bottom-right corner) in pixel coordinates of this image, which is {width} "
    'pixels wide and {height} pixels high. Answer with a JSON list only, with one entry for it: {"bbox": [x1, y1, x2, '
    'y2], "label": "..."}'
)


class Claude(Vendor):
    """Claude within the limits of all its models, by Anthropic's page on coordinates.

    A picture within 1568 pixels a side and 1568 patches is resized by none of them.
    """

    name = "claude"
    served = r"(?:.*[-_./])?claude(?![a-z]).*"
    written = Frame("pixels")
    box_keys = frozenset({"bbox", "box2d"})
    edge: ClassVar[int] = 1568
    patches: ClassVar[int] = 1568
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Return the bounding box of {sent} " + _FORM,
        "amodal": "Return the amodal bounding box of {sent}, around the whole object with what is hidden, " + _FORM,
    }

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Give the largest size of the same shape within the limits; a picture within them stays as it is."""
        long, short = max(width, height), min(width, height)
        for side in range(min(long, self.edge), 0, -1):
            other = max(1, round(short * side / long))
            if ceil(side / PATCH) * ceil(other / PATCH) <= self.patches:
                return (side, other) if width >= height else (other, side)
        return width, height

    @property
    def pictures(self) -> str:
        """How pictures are sent."""
        return f"shrunk to {self.edge} pixels a side and {self.patches} patches of {PATCH} x {PATCH}"


class ClaudeHigh(Claude):
    """Claude's models with the higher limits, such as Opus 4.7; the plain family serves them too, with less detail."""

    name = "claude_high"
    served = r"(?:.*[-_./])?claude-opus-4[-.](?:[7-9]|[1-9][0-9])(?![0-9]).*"
    edge = 2576
    patches = 4784
