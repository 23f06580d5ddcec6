"""A model's gates as a file beside its weights: `gate.json`, which `egm evaluate gate` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from egm_core import __version__
from egm_core.grounder.gate import RULE, Gate, Weight
from egm_core.grounder.together import Together
from egm_core.models.calibration import DAMAGED, Curve, weights_digest

FORMAT = 2
FILE = "gate.json"
COMMAND = "egm evaluate gate"


@dataclass(frozen=True)
class Gates:
    """When to think about a question alone, and about one whose visible and amodal box are asked for together.

    `together` None: each of both as if it were alone.
    """

    alone: Gate
    together: Together | None = None

    def save(self, folder: Path, **about: Any) -> Path:
        """Write the gates beside a folder's weights, with what is to be known of their fit; gives the file's path."""
        data = {
            "format": FORMAT,
            "version": __version__,
            "weights_sha256": weights_digest(folder),
            **about,
            "alone": _written(self.alone),
        }
        if self.together is not None:
            both, curve = self.together, self.together.curve
            data["together"] = {
                "price": both.price,
                "engine": both.engine,
                "curve": curve
                and {"answers": curve.count, "scores": curve.scores, "probabilities": curve.probabilities},
                **{name: _written(getattr(both, name)) for name in _PARTS},
            }
        file = folder / FILE
        file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return file


_PARTS = ("visible", "amodal", "carried")
_RULE = Gates(RULE)


def gates_of(folder: Path | None) -> Gates:
    """Give the gates of a model's folder, or the rule for models that have none."""
    return _found(folder)[0]


def note(folder: Path | None) -> str:
    """Say why a model has no gate of its own; empty where it has."""
    reason = _found(folder)[1]
    return f"the rule for every model says when to think, for {reason}" if reason else ""


def _found(folder: Path | None) -> tuple[Gates, str]:
    if folder is None:
        return _RULE, "the model's folder, where a gate could lie, is not on this machine"
    file, remedy = folder / FILE, f"fit one with {COMMAND}"
    if not file.is_file():
        return _RULE, f"{file} is not there; {remedy}"
    try:
        digest, gates = _read(file, file.stat().st_size, file.stat().st_mtime_ns)
        if digest != weights_digest(folder):
            return _RULE, f"{file} belongs to other weights; {remedy}"
        return gates, ""
    except DAMAGED as error:
        return _RULE, f"{file} cannot be used ({type(error).__name__}: {error}); {remedy}"


@lru_cache(maxsize=8)
def _read(file: Path, size: int, changed: int) -> tuple[str, Gates]:
    """Read a file; its size and the time of its last change tell whether it was read before."""
    data = json.loads(file.read_text(encoding="utf-8"))
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, and this version reads {FORMAT}")
    both = data.get("together")
    together = None
    if both is not None:
        curve = both["curve"] and Curve(
            tuple(_finite(both["curve"]["scores"])),
            tuple(_finite(both["curve"]["probabilities"])),
            int(both["curve"]["answers"]),
        )
        visible, amodal, carried = (_gate(both[name]) for name in _PARTS)
        together = Together(visible, amodal, carried, _price(both), curve, str(both["engine"]))
    return str(data["weights_sha256"]), Gates(_gate(data["alone"]), together)


def _gate(data: Mapping[str, Any]) -> Gate:
    weights = {str(name): _weight(each) for name, each in data["weights"].items()}
    return Gate(weights, _weight(data["start"]), _price(data))


def _price(data: Mapping[str, Any]) -> float:
    price = _finite([data["price"]])[0]
    if price < 0:
        raise ValueError(f"a price is {price:g}, and must not be below 0")
    return price


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


def _written(gate: Gate) -> dict[str, Any]:
    weights = {name: _rounded(weight) for name, weight in gate.weights.items()}
    return {"price": gate.price, "start": _rounded(gate.start), "weights": weights}


def _rounded(weight: Weight) -> dict[str, float]:
    return {name: round(value, 5) for name, value in asdict(weight).items()}
