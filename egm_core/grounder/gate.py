"""The gate: says from an expression and the first answer to it whether thinking will probably make that right.

It is two logistic regressions, for answers that thinking mends and for those that it spoils, a linear one for the
tokens that it takes, and the price of a token. `egm evaluate gate` fits it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from egm_core.boxes import Box
from egm_core.families import Task
from egm_core.grounder.form import form
from egm_core.grounder.scoring import Edges

# No thought is shorter, whatever a linear regression says of it.
FEWEST_TOKENS = 4.0
# A box that comes so near to the picture's edge, as a share of the picture, may go on beyond it.
EDGE = 0.005
FARTHEST = 30.0
_EDGES = ("left", "top", "right", "bottom")


def features(
    task: Task,
    sent: str,
    outcome: str,
    box: Box | None,
    score: float | None,
    edges: Edges | None = None,
    opening: float | None = None,
) -> dict[str, float]:
    """Describe a question and the first answer to it; NaN stands for what is not known.

    `outcome` is "box", "absent" or "invalid", `box` is in shares of the picture, `score` is the raw one, `edges` has
    the log-probabilities of the box's numbers, and `opening` that of what comes before them.
    """
    found = {
        **form(sent),
        "amodal": float(task == "amodal"),
        "absent": float(outcome == "absent"),
        "invalid": float(outcome == "invalid"),
        "score": math.log(score) if score and score > 0 else math.nan,
        "opening": math.nan if opening is None else opening,
    }
    place = dict.fromkeys(("size", "aspect", "edge", "aside", "low"), math.nan)
    x0, y0, x1, y1 = box or (0.0, 0.0, 0.0, 0.0)
    if x1 > x0 and y1 > y0:
        place = {
            "size": 0.5 * math.log((x1 - x0) * (y1 - y0)),
            "aspect": math.log((x1 - x0) / (y1 - y0)),
            "edge": float(min(x0, y0, 1 - x1, 1 - y1) < EDGE),
            "aside": abs((x0 + x1) / 2 - 0.5),
            "low": (y0 + y1) / 2,
        }
    sure = dict(zip(_EDGES, edges or (math.nan,) * len(_EDGES), strict=True))
    return (
        found
        | {f"box_{name}": value for name, value in place.items()}
        | {f"sure_{name}": value for name, value in sure.items()}
    )


@dataclass(frozen=True)
class Weight:
    """What one feature counts: its `mean` and `scale`, and its coefficient in each of the three regressions."""

    mean: float
    scale: float
    mend: float
    spoil: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True)
class Gate:
    """When to think: where the expected gain in right answers is over the `price` of the expected tokens.

    `start` has the regressions' constants.
    """

    weights: Mapping[str, Weight]
    start: Weight
    price: float = 0.0

    def expected(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Give the gain in right answers that is expected, from -1 to 1, and the tokens of reasoning."""
        mend, spoil, tokens = self.start.mend, self.start.spoil, self.start.tokens
        for name, weight in self.weights.items():
            value = values.get(name, math.nan)
            # What is not known counts as its mean.
            z = 0.0 if math.isnan(value) else (value - weight.mean) / weight.scale
            mend, spoil, tokens = mend + z * weight.mend, spoil + z * weight.spoil, tokens + z * weight.tokens
        return _probability(mend) - _probability(spoil), max(tokens, FEWEST_TOKENS)

    def worth(self, values: Mapping[str, float]) -> float:
        """Give the expected gain, less the price of the tokens: above 0 it is worth thinking."""
        gain, tokens = self.expected(values)
        return gain - self.price * tokens


# Without a fitted gate, what must be counted, compared or related is thought about, and so is a first answer that gave
# no box. A plain expression is answered as well without. The chance to spoil is an even one, as the bar to pass.
RULE = Gate(
    {"plain": Weight(0.0, 1.0, -8.0), "absent": Weight(0.0, 1.0, 8.0), "invalid": Weight(0.0, 1.0, 8.0)},
    Weight(0.0, 1.0, 4.0, 0.0),
)


def _probability(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -FARTHEST), FARTHEST)))
