"""Looks at one record of a stored result before it is believed: kinds of values, their ranges, and whether they agree.

Results are files of JSON, which people mend by hand and other programs write. What is wrong is named by its field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

OUTCOMES = ("found", "absent", "malformed", "failed")
# Larger ones are no pixels, no tokens and no seeds.
_LARGEST = 1e18


def check_rows(data: Any) -> None:
    """Raise ValueError, with the record's number and the field's name, where a stored result cannot be one."""
    check_about(data)
    for number, row in enumerate(data["rows"], 1):
        try:
            check(row, data.get("strict"))
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error


def check(row: Any, strict: Any = None) -> None:
    """Raise ValueError, with the field's name, where a record holds what none can, or lacks one.

    `strict` says that success is an IoU above 0.5, not of at least that; anything but a bool leaves that open.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"a record is {_short(row)}, and must be an object with named fields")
    for name in ("text", "outcome", "correct"):
        if row.get(name) is None:
            raise ValueError(f"{name} is {'null' if name in row else 'missing'}")
    for name, (fits, words) in _FIELDS.items():
        if row.get(name) is not None and not fits(row[name]):
            raise ValueError(f"{name} is {_short(row[name])}, and must be {words}")
    if row["correct"] not in (True, False):
        raise ValueError(f"correct is {_short(row['correct'])}, and must be true or false")
    _agree(row, strict)


def check_about(data: Any) -> None:
    """Raise ValueError, with the field's name, where what a result tells of itself is of another kind."""
    if not isinstance(data, Mapping):
        raise ValueError("it is no object with named fields")
    if "rows" not in data:
        raise ValueError("rows is missing")
    for name, (fits, words) in _ABOUT.items():
        if name in data and not fits(data[name]):
            raise ValueError(f"{name} is {_short(data[name])}, and must be {words}")


def _agree(row: Mapping[str, Any], strict: Any) -> None:
    right, fit = bool(row["correct"]), row.get("iou")
    if row.get("truth", 0) is None:
        if right != (row["outcome"] == "absent"):
            raise ValueError(f"correct is {right}, and outcome {row['outcome']!r}, of an object that is absent")
    elif fit is not None and isinstance(strict, bool):
        if right != (fit > 0.5 if strict else fit >= 0.5):
            raise ValueError(f"correct is {right}, and iou {fit}: they contradict each other")
    elif right and row["outcome"] in ("malformed", "failed"):
        raise ValueError(f"correct is True, and outcome {row['outcome']!r}: they contradict each other")


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    # Whole numbers of JSON may be too large for a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and (
        max(low, -_LARGEST) <= value <= min(high, _LARGEST)
    )  # fmt: skip


def _share(value: Any) -> bool:
    # Of a box with itself it may be more than 1 by rounding.
    return _number(value, 0, 1 + 1e-6)


def _count(value: Any) -> bool:
    return _number(value, 0)


def _whole(value: Any) -> bool:
    return _number(value) and value == int(value)


def _box(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 4 and all(map(_number, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _shares(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_share, value.values()))


def _bool(value: Any) -> bool:
    return isinstance(value, bool)


def _maybe(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:60] + "..."


_Field = tuple[Callable[[Any], bool], str]
_TEXT: _Field = (_text, "a text")
_FIELDS: dict[str, _Field] = {
    "seed": (_whole, "a whole number"),
    **dict.fromkeys(("task", "kind", "text", "column", "split", "dataset", "answer", "reasoning", "reason"), _TEXT),
    **dict.fromkeys(("world", "expression_kind"), _TEXT),
    "kinds": (_texts, "a list of texts"),
    "outcome": (lambda value: _text(value) and value in OUTCOMES, f"one of {', '.join(OUTCOMES)}"),
    **dict.fromkeys(("truth", "box", "visible"), (_box, "four numbers, or null")),
    **dict.fromkeys(("iou", "overlap"), (_share, "a number from 0 to 1, or null")),
    "baselines": (_shares, "numbers from 0 to 1 by their names"),
    **dict.fromkeys(("thinking", "tokens", "seconds", "width", "height"), (_count, "a number of 0 or more, or null")),
    "edges": (_maybe(_box), "four numbers, or null"),
    "opening": (_maybe(_number), "a number, or null"),
    "score": (lambda value: _number(value) or value in (math.inf, -math.inf), "a number, or null"),
}
_ABOUT: dict[str, _Field] = {
    "rows": (lambda value: isinstance(value, list), "a list of records"),
    "strict": (_bool, "true or false"),
    "model": (_maybe(_text), "a text"),
    "version": (_maybe(_text), "a text"),
    "splits": (_maybe(_texts), "a list of texts"),
    "warnings": (_maybe(_texts), "a list of texts"),
    "baselines": (_maybe(_texts), "a list of texts"),
    "prompts": (_maybe(lambda value: isinstance(value, dict)), "texts by their names"),
    **dict.fromkeys(("first_seed", "scenes"), (_whole, "a whole number")),
    "ms_per_query": (_maybe(_count), "a number of 0 or more"),
    "unasked": (_maybe(_count), "a number of 0 or more"),
}
