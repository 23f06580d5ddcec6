"""The words that checks look for: lists of patterns in files, made into one pattern for each group."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from egm_core.curate.rules.text import OTHER, OWN

FOLDER = Path(__file__).parent / "words"
_REFERENCE = re.compile(r"%(\w+)%")


@lru_cache
def groups(name: str) -> dict[str, str]:
    """Read a file of words; gives a pattern's text for each group, with its fragments filled in.

    A line is one way to say something. `%place%` in it stands for any line of the fragment `place`.
    """
    told = listed(name)
    fragments = {"own": OWN, "other": OTHER}

    def filled(lines: list[str]) -> str:
        return "|".join(_REFERENCE.sub(lambda found: fragments[found[1]], line) for line in lines)

    for fragment, lines in told.get("fragments", {}).items():
        fragments[fragment] = f"(?:{filled(lines)})"
    return {group: filled(lines) for group, lines in told["groups"].items()}


@lru_cache
def listed(name: str) -> dict[str, Any]:
    """Read a file of words as it stands."""
    told: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return told
