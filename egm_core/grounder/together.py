"""One thought for both boxes: where both are asked for, thinking about the visible one tells which object is meant.

Amodal boxes need a thought of their own only where that is worth its tokens as well. Otherwise the first amodal box
stays where it shows the object that the visible answer shows after thinking; where it shows another one, or only one
of both says that the object is absent, that visible answer is the amodal one, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from egm_core.boxes import Box, iou
from egm_core.families import Task
from egm_core.grounder.form import form
from egm_core.grounder.gate import Gate
from egm_core.models.calibration import Curve

# From this IoU on an amodal and a visible box show one object.
SAME = 0.5
# As a feature: below it, two first boxes lie apart.
APART = 0.3
# Features of the expression, which both questions share.
_SHARED = frozenset(form(""))


@dataclass(frozen=True)
class Said:
    """What one answer says: its outcome, "box", "absent" or "invalid", and its box in shares of the picture."""

    outcome: str
    box: Box | None = None


@dataclass(frozen=True)
class Together:
    """When to think about an expression of which both boxes are asked for, and about which of them.

    `visible` and `amodal` tell what a thought about that question brings, `carried` what one about the visible box
    brings to the amodal answer. `curve` says what the score of a visible answer means where that becomes the amodal
    one, by the program `engine`.
    """

    visible: Gate
    amodal: Gate
    carried: Gate
    price: float = 0.0
    curve: Curve | None = None
    engine: str = ""

    def expected(self, values: Mapping[str, float]) -> tuple[tuple[float, float], tuple[float, float]]:
        """Give gain and tokens of thinking about the visible box alone, and of thinking about both."""
        (gain, tokens), (other, more) = self.visible.expected(values), self.amodal.expected(values)
        return (gain + self.carried.expected(values)[0], tokens), (gain + other, tokens + more)

    def wanted(self, values: Mapping[str, float]) -> tuple[Task, ...]:
        """List the tasks to think about: none, the visible one, or both."""
        alone, both = (gain - self.price * tokens for gain, tokens in self.expected(values))
        if max(alone, both) <= 0:
            return ()
        return ("visible",) if alone >= both else ("visible", "amodal")


def joint(visible: Mapping[str, float], amodal: Mapping[str, float], first: tuple[Said, Said]) -> dict[str, float]:
    """Describe both first answers to one expression, from the features of each and from what they say."""
    boxes = first[0].box, first[1].box
    agree = iou(boxes[0], boxes[1]) if boxes[0] is not None and boxes[1] is not None else math.nan
    return {
        **{name: value for name, value in visible.items() if name in _SHARED},
        **{f"visible_{name}": value for name, value in visible.items() if name not in _SHARED},
        **{f"amodal_{name}": value for name, value in amodal.items() if name not in _SHARED},
        "agree": agree,
        "apart": math.nan if math.isnan(agree) else float(agree < APART),
        "differ": float(first[0].outcome != first[1].outcome),
    }


def carries(amodal: Said, thought: Said) -> bool:
    """Tell whether the visible answer after thinking takes the place of the first amodal one."""
    if thought.outcome == "invalid" or amodal.outcome != thought.outcome:
        return thought.outcome != "invalid"
    return amodal.box is not None and thought.box is not None and iou(amodal.box, thought.box) < SAME
