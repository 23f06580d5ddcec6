"""The reference pages of the training stages' YAML settings, made from their dataclasses."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from egm_core.train.configuration import Range
from egm_core.train.stages import STAGES
from egm_ros.reference.markdown import code, page, section, table

TITLES = {
    "pretrain": "Pretraining: settings",
    "sft": "Supervised fine-tuning: settings",
    "select": "Selection: settings",
    "rl": "Reinforcement learning (GRPO): settings",
}
INTRODUCTION = """```
python -m egm_core.train {stage} --config FILE [key=value ...]
```

Each setting is a key of the YAML file, or a `key=value` on the command line. A dot leads into a group:
`verl.nodes=4`. *Resume* says that a run which goes on may have another value; every other change is refused."""


def stage_page(stage: str) -> str:
    """Make the page of one stage's settings."""
    module, name, _ = STAGES[stage]
    kind = getattr(import_module(module), name)
    about = inspect.getdoc(kind) or ""
    settings = section("Settings", _table(_rows(kind())))
    groups = [
        section(code(prefix), f"{inspect.getdoc(type(group))}\n\n{_table(_rows(group, f'{prefix}.'))}")
        for prefix, group in _groups(kind())
    ]
    return page(TITLES[stage], INTRODUCTION.format(stage=stage), about, settings, *groups)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return table(("Setting", "Type", "Default", "Allowed", "Resume", "Meaning"), rows)


def _groups(config: Any) -> Iterator[tuple[str, Any]]:
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            yield entry.name, value


def _rows(config: Any, prefix: str = "") -> Iterator[tuple[str, ...]]:
    """Give a row for each setting that holds a value itself."""
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            continue
        allowed = entry.metadata.get("range")
        told = str(entry.metadata.get("description", ""))
        kind = str(entry.type).replace(" | None", ", or null")
        yield (
            code(prefix + entry.name),
            "anything" if kind == "Any" else kind,
            code(literal(value)),
            _allowed(allowed) if isinstance(allowed, Range) else "",
            "yes" if entry.metadata.get("changeable") else "",
            told,
        )


def _allowed(allowed: Range) -> str:
    if allowed.choices:
        return ", ".join(code(literal(choice)) for choice in allowed.choices)
    bounds = (allowed.low, allowed.above, allowed.high)
    return str(allowed).removeprefix("a number ") if bounds != (None, None, None) else ""


def literal(value: Any) -> str:
    """Write a value as YAML would."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return value or "''"
    return str(value)
