"""What a parameter of a node is: its default, meaning and limits, and how names that are none are told."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from egm_core.arguments import meant, plainly

Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its name, default, meaning, and what it may be set to.

    `range` (both ends included) is for numbers, `choices` for strings; `live` says that a running node takes a new
    value.  Every other parameter is read when the process starts.
    """

    name: str
    default: Value
    description: str
    range: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    unit: str = ""

    @property
    def constraint(self) -> str:
        """Say in words what values are allowed; empty where anything of the type is."""
        if self.range is not None:
            low, high = self.range
            return f"{plainly(low)} to {plainly(high)}" + (f" {self.unit}" if self.unit else "")
        return ", ".join(self.choices)

    def problem(self, value: Any) -> str:
        """Say what is wrong with a value, naming the parameter, the value and the limits; empty if nothing is."""
        expected = float if isinstance(self.default, float) else type(self.default)
        if expected is tuple:
            if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) for entry in value):
                return f"{self.name}: {value!r} is not a list of strings"
        elif type(value) is not expected:
            return f"{self.name}: {value!r} is not of type {expected.__name__}, as in {self.default!r}"
        if self.range is not None:
            low, high = self.range
            if not math.isfinite(value) or not low <= value <= high:
                return f"{self.name}: {value!r} is outside {self.constraint}"
        if self.choices and value not in self.choices:
            return f"{self.name}: {value!r} is none of {self.constraint}"
        return ""


# What rclpy itself declares on every node.
STANDARD = ("use_sim_time", "start_type_description_service")


def unknown(names: Iterable[str], table: Iterable[ParameterSpec]) -> list[str]:
    """Say of each name that is no parameter of a table so, with the one that was probably meant."""
    known = [*(spec.name for spec in table), *STANDARD]
    strange = [name for name in names if name not in known and not name.startswith("qos_overrides.")]
    return [f"{name}: there is no such parameter{meant(name, known)}" for name in strange]
