"""What was measured: a cell for each engine, size of picture and load, and the JSON file that keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from egm_core.bench.floor import Floor
from egm_core.bench.spread import Spread, spread
from egm_core.bench.timing import Timed
from egm_core.sample.whole import written

FORMAT = 1


@dataclass(frozen=True)
class Cell:
    """The figures of one engine under one load; times are milliseconds.

    `wrong` says why there are none, or why some questions got no answer. `answer_ms` are all whole answers' times.
    `bunched` is the share of tokens that came together with the one before, whose times say nothing.
    `floor` is None where nobody can tell it, `joules` of a question are empty where the platform tells none.
    """

    engine: str
    model: str
    size: str
    at_once: int
    questions: int = 0
    failed: int = 0
    wrong: str = ""
    prompt: int = 0
    tokens: float = 0.0
    bunched: float = 0.0
    first: Spread | None = None
    token: Spread | None = None
    total: Spread | None = None
    floor: Floor | None = None
    a_second: float = 0.0
    joules: Mapping[str, float] = field(default_factory=dict)
    busy: float = 0.0
    answer_ms: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from others."""
        return self.engine, self.model, self.size, self.at_once

    @classmethod
    def of(cls, answers: Sequence[Timed], seconds: float, **told: Any) -> Cell:
        """Sum up the answers of one load, which took so many seconds in all."""
        good = [a for a in answers if not a.error]
        wrong = next((a.error for a in answers if a.error), "")
        found = cls(**told, questions=len(answers), failed=len(answers) - len(good), wrong=wrong)
        if not good:
            return found
        return replace(
            found,
            tokens=sum(a.tokens for a in good) / len(good),
            bunched=sum(a.bunched for a in good) / sum(a.tokens for a in good),
            first=spread([a.first for a in good]),
            token=spread([a.token for a in good if a.token is not None]),
            total=spread([a.total for a in good]),
            a_second=len(good) / seconds,
            answer_ms=tuple(round(1000 * a.total, 3) for a in good),
        )


@dataclass
class Bench:
    """A run's cells, in the order in which they were measured, and what they were measured with.

    `settings` is what must be the same for cells to stand in one table; `about` is told beside.
    """

    settings: dict[str, Any]
    about: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)

    def has(self, key: tuple[str, str, str, int]) -> bool:
        """Tell whether a cell has its figures; one that could not be measured is tried anew."""
        return any(cell.key == key and cell.total is not None for cell in self.cells)

    def take(self, cell: Cell) -> None:
        """Add a cell, in place of the one of its key."""
        self.cells = [one for one in self.cells if one.key != cell.key] + [cell]

    def write(self, path: Path) -> None:
        """Write everything, whole or not at all."""
        data = {"of": "bench", "format": FORMAT, "settings": self.settings, **self.about}
        with written(path) as part:
            part.write_text(json.dumps({**data, "cells": [asdict(cell) for cell in self.cells]}, indent=1))


def read(path: Path) -> Bench:
    """Read what `write` wrote; ValueError, naming the file, where it is something else."""
    try:
        data = json.loads(path.read_text())
        if not isinstance(data["cells"], list):
            raise ValueError("its cells are no list")
        if data["of"] != "bench" or data["format"] != FORMAT:
            raise ValueError(f"its format is {data['of']!r} {data['format']!r}")
        cells = [_cell(one) for one in data["cells"]]
        about = {key: value for key, value in data.items() if key not in ("of", "format", "settings", "cells")}
        return Bench(dict(data["settings"]), about, cells)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} was not written by egm bench --json ({what}); give another file") from error


def _cell(data: Mapping[str, Any]) -> Cell:
    known = {one.name for one in fields(Cell)}
    if strange := sorted(set(data) - known):
        raise ValueError(f"a cell has {strange[0]!r}")
    for kinds, names in _KINDS.items():
        for name in names:
            _check(name, data.get(name, kinds[0]()), kinds)
    values = dict(data)
    for name, kind in (("first", Spread), ("token", Spread), ("total", Spread), ("floor", Floor)):
        if values.get(name) is not None:
            values[name] = kind(**values[name])
            for part, value in asdict(values[name]).items():
                _check(f"{name}'s {part}", value, (float, int))
    for name, found in (("joules", values.get("joules", {}).values()), ("answer_ms", values["answer_ms"])):
        for value in found:
            _check(name, value, (float, int))
    return Cell(**values | {"answer_ms": tuple(values["answer_ms"])})


# Which kinds of values the fields of a cell have, the first being what is there without one.
_KINDS: dict[tuple[type, ...], tuple[str, ...]] = {
    (str,): ("engine", "model", "size", "wrong"),
    (int,): ("at_once", "questions", "failed", "prompt"),
    (float, int): ("tokens", "bunched", "a_second", "busy"),
    (dict,): ("joules",),
}


def _check(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}")
