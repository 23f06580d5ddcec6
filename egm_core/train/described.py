"""The settings of a configuration in words, from the fields' own metadata: for help, and for the reference."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any

from egm_core.arguments import plainly
from egm_core.train.configuration import Range

NARROWEST, WIDEST = 60, 110


@dataclass(frozen=True)
class Described:
    """One setting: its key as in `key=value`, and its default, range, unit and meaning in words."""

    key: str
    default: str
    range: str
    unit: str
    description: str


def described(kind: Any, prefix: str = "") -> list[Described]:
    """Describe every setting of a configuration's class, those of groups below their key: `verl.nodes`."""
    return _described(kind(), prefix)


def settings_help(kind: Any, prefix: str = "") -> str:
    """Write the settings as help shows them: a line with the default, and below it what the setting is."""
    width = min(max(shutil.get_terminal_size().columns - 2, NARROWEST), WIDEST)
    lines = []
    for one in described(kind, prefix):
        notes = "; ".join(filter(None, (one.range, one.unit)))
        said = f"{one.description} ({notes})" if notes else one.description
        lines.append(f"  {one.key}: {one.default}")
        lines += textwrap.wrap(said, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _described(config: Any, prefix: str) -> list[Described]:
    found = []
    for entry in dataclasses.fields(config):
        value, key = getattr(config, entry.name), f"{prefix}{entry.name}"
        if dataclasses.is_dataclass(value):
            found += _described(value, f"{key}.")
            continue
        about = entry.metadata
        words = (_words(about.get("range")), about.get("unit", ""), about.get("description", ""))
        found.append(Described(key, _shown(value), *words))
    return found


def _shown(value: Any) -> str:
    """Write a default as YAML does."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]"
    return '""' if value == "" else str(value)


def _words(allowed: Range | None) -> str:
    """Give a range in words; empty where anything of the type may be."""
    if allowed is None or allowed == Range(allow=allowed.allow):
        return ""
    if allowed.choices:
        return ", ".join("empty" if choice == "" else str(choice) for choice in allowed.choices)
    if allowed.low is not None and allowed.high is not None:
        return " or ".join([f"{plainly(allowed.low)} to {plainly(allowed.high)}", *map(str, allowed.allow)])
    return str(allowed).removeprefix("a number ")
