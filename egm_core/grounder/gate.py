"""The gate: says from an expression and the first answer to it whether thinking will probably make that right.

A model's folder may hold `gate.json`, which `egm evaluate gate` fits: two logistic regressions, for answers that
thinking mends and for those that it spoils, a linear one for the tokens that it takes, and the price of a token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from egm_core import __version__
from egm_core.boxes import Box
from egm_core.families import Task
from egm_core.grounder.form import form
from egm_core.grounder.scoring import Edges
from egm_core.models.calibration import weights_digest

FORMAT = 1
FILE = "gate.json"
COMMAND = "egm evaluate gate"
# No thought is shorter, whatever a linear regression says of it.
FEWEST_TOKENS = 4.0
# A box that comes so near to the picture's edge, as a share of the picture, may go on beyond it.
EDGE = 0.005
FARTHEST = 30.0
_EDGES = ("left", "top", "right", "bottom")


def features(
    task: Task, sent: str, outcome: str, box: Box | None, score: float | None, edges: Edges | None = None
) -> dict[str, float]:
    """Describe a question and the first answer to it; NaN stands for what is not known.

    `outcome` is "box", "absent" or "invalid", `box` is in shares of the picture, `score` is the raw one, and `edges`
    has the log-probabilities of the box's numbers.
    """
    found = {
        **form(sent),
        "amodal": float(task == "amodal"),
        "absent": float(outcome == "absent"),
        "invalid": float(outcome == "invalid"),
        "score": math.log(score) if score else math.nan,
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

    `start` has the regressions' constants. `fitted` tells a fitted gate from the rule for models without one.
    """

    weights: Mapping[str, Weight]
    start: Weight
    price: float
    fitted: bool = True

    def worth(self, values: Mapping[str, float]) -> float:
        """Give the expected gain, less the price of the tokens: above 0 it is worth thinking."""
        mend, spoil, tokens = self.start.mend, self.start.spoil, self.start.tokens
        for name, weight in self.weights.items():
            value = values.get(name, math.nan)
            # What is not known counts as its mean.
            z = 0.0 if math.isnan(value) else (value - weight.mean) / weight.scale
            mend, spoil, tokens = mend + z * weight.mend, spoil + z * weight.spoil, tokens + z * weight.tokens
        return _probability(mend) - _probability(spoil) - self.price * max(tokens, FEWEST_TOKENS)

    def save(self, folder: Path, **about: Any) -> Path:
        """Write the gate beside a folder's weights, with what is to be known of its fit; gives the file's path."""
        data = {
            "format": FORMAT,
            "version": __version__,
            "weights_sha256": weights_digest(folder),
            **about,
            "price": self.price,
            "start": _rounded(self.start),
            "weights": {name: _rounded(weight) for name, weight in self.weights.items()},
        }
        file = folder / FILE
        file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return file


# Without a fitted gate, what must be counted, compared or related is thought about, and so is a first answer that gave
# no box. A plain expression is answered as well without. The chance to spoil is an even one, as the bar to pass.
RULE = Gate(
    {"plain": Weight(0.0, 1.0, -8.0), "absent": Weight(0.0, 1.0, 8.0), "invalid": Weight(0.0, 1.0, 8.0)},
    Weight(0.0, 1.0, 4.0, 0.0),
    0.0,
    fitted=False,
)


def gate_of(folder: Path | None) -> Gate:
    """Give the gate of a model's folder, or the rule for models that have none."""
    return _found(folder)[0]


def note(folder: Path | None) -> str:
    """Say why a model has no gate of its own; empty where it has."""
    reason = _found(folder)[1]
    return f"the rule for every model says when to think, for {reason}" if reason else ""


def _found(folder: Path | None) -> tuple[Gate, str]:
    if folder is None:
        return RULE, "the model's folder, where a gate could lie, is not on this machine"
    file, remedy = folder / FILE, f"fit one with {COMMAND}"
    if not file.is_file():
        return RULE, f"{file} is not there; {remedy}"
    try:
        digest, gate = _read(file, file.stat().st_size, file.stat().st_mtime_ns)
        if digest != weights_digest(folder):
            return RULE, f"{file} belongs to other weights; {remedy}"
        return gate, ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return RULE, f"{file} cannot be used ({type(error).__name__}: {error}); {remedy}"


@lru_cache(maxsize=8)
def _read(file: Path, size: int, changed: int) -> tuple[str, Gate]:
    """Read a file; its size and the time of its last change tell whether it was read before."""
    data = json.loads(file.read_text(encoding="utf-8"))
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, and this version reads {FORMAT}")
    weights = {str(name): _weight(each) for name, each in data["weights"].items()}
    return str(data["weights_sha256"]), Gate(weights, _weight(data["start"]), _finite([data["price"]])[0])


def _weight(data: Mapping[str, Any]) -> Weight:
    weight = Weight(*_finite(data[name] for name in ("mean", "scale", "mend", "spoil", "tokens")))
    if weight.scale <= 0:
        raise ValueError(f"a scale is {weight.scale}, and must be above 0")
    return weight


def _finite(values: Iterable[Any]) -> list[float]:
    found = [float(value) for value in values]
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{found} holds a number that is not finite")
    return found


def _rounded(weight: Weight) -> dict[str, float]:
    return {name: round(value, 5) for name, value in asdict(weight).items()}


def _probability(value: float) -> float:
    return 1 / (1 + math.exp(-min(max(value, -FARTHEST), FARTHEST)))
