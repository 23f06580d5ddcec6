"""How a model writes a box: what its numbers count, and in which order they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from egm_core.boxes import FRAME, Box

Unit = Literal["thousandths", "percent", "fractions", "pixels"]
Order = Literal["xyxy", "yxyx", "xywh"]

_ENDS: dict[Unit, float] = {"thousandths": FRAME, "percent": 100.0, "fractions": 1.0}
_ORDERS: dict[Order, str] = {"xyxy": "[x0, y0, x1, y1]", "yxyx": "[y0, x0, y1, x1]", "xywh": "[x0, y0, width, height]"}
_UNITS: dict[Unit, str] = {
    "thousandths": "thousandths of the picture",
    "percent": "per cent of the picture",
    "fractions": "fractions of the picture, 0 to 1",
    "pixels": "pixels of the picture as it is sent",
}
# What rounding may put beyond the picture's edge, as a share of the whole; in pixels it is one.
OVERHANG = 0.001


@dataclass(frozen=True)
class Frame:
    """What a box's numbers count, and their order."""

    unit: Unit
    order: Order = "xyxy"

    @property
    def words(self) -> str:
        """The frame in words, to be stored beside a score."""
        return f"{_ORDERS[self.order]} in {_UNITS[self.unit]}"

    def ends(self, width: int, height: int) -> tuple[float, float]:
        """Give the numbers of the right and the lower edge of a picture that was sent with that size."""
        if self.unit == "pixels":
            return float(width), float(height)
        return _ENDS[self.unit], _ENDS[self.unit]

    def overhang(self, end: float) -> float:
        """Give how far beyond an edge a number may lie and be taken for the edge."""
        return 1.0 if self.unit == "pixels" else OVERHANG * end

    def corners(self, numbers: Sequence[float]) -> Box:
        """Give four numbers in the order x0, y0, x1, y1."""
        a, b, c, d = numbers
        if self.order == "yxyx":
            return b, a, d, c
        return (a, b, a + c, b + d) if self.order == "xywh" else (a, b, c, d)

    def relative(self, numbers: Sequence[float], width: int, height: int) -> Box | None:
        """Give a box in thousandths, sorted; None where the numbers leave the picture or have no area."""
        right, lower = self.ends(width, height)
        x0, y0, x1, y1 = self.corners(numbers)
        xs, ys = self._held((x0, x1), right), self._held((y0, y1), lower)
        if xs is None or ys is None or xs[0] == xs[1] or ys[0] == ys[1]:
            return None
        return (min(xs), min(ys), max(xs), max(ys))

    def _held(self, values: tuple[float, float], end: float) -> tuple[float, float] | None:
        """Turn two coordinates of one axis into thousandths; None where one lies beyond the edge."""
        if not all(0 <= value <= end + self.overhang(end) for value in values):
            return None
        first, second = (FRAME * min(value, end) / end for value in values)
        return first, second
