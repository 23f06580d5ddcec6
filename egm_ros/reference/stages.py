"""The reference pages of the training stages' YAML settings, made from the classes that declare them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from egm_core.train.described import described
from egm_core.train.stages import settings_of
from egm_ros.reference.markdown import code, page, section, table

TITLES = {
    "pretrain": "Pretraining: settings",
    "sft": "Supervised fine-tuning: settings",
    "select": "Selection: settings",
    "rl": "Reinforcement learning (GRPO): settings",
    "plan": "The plan: settings",
}
INTRODUCTION = """```
egm train {stage} --config FILE [key=value ...]
```

Each setting is a key of the YAML file, or a `key=value` on the command line. A dot leads into a group, as in
`verl.nodes=4`."""
RESUME = "*Resume*: a run that goes on may have another value there; any other change is refused."


def stage_page(stage: str) -> str:
    """Make the page of one stage's settings; `plan` has its own below `plan.`."""
    kind = settings_of(stage)
    rows = list(_rows(kind, "plan." if stage == "plan" else ""))
    about = inspect.getdoc(kind) or ""
    introduction = INTRODUCTION.format(stage=stage) + (f" {RESUME}" if any(row[4] for row in rows) else "")
    head = ("Setting", "Default", "Allowed", "Unit", "Resume", "Meaning")
    return page(TITLES[stage], introduction, about, section("Settings", table(head, rows)))


def _rows(kind: Any, prefix: str) -> Iterator[tuple[str, ...]]:
    """Give a row for each setting, those of groups included."""
    changeable = dict(_changeable(kind(), prefix))
    for one in described(kind, prefix):
        resume = "yes" if changeable[one.key] else ""
        yield code(one.key), code(one.default), one.range, one.unit, resume, _sentence(one.description)


def _changeable(config: Any, prefix: str, group: bool = False) -> Iterator[tuple[str, bool]]:
    """Tell of each setting whether a run that goes on may change it; a group's mark holds for all in it."""
    for entry in dataclasses.fields(config):
        value, marked = getattr(config, entry.name), group or bool(entry.metadata.get("changeable"))
        if dataclasses.is_dataclass(value):
            yield from _changeable(value, f"{prefix}{entry.name}.", marked)
        else:
            yield f"{prefix}{entry.name}", marked


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""
