"""Holds an answer to its family's format, where the engine can."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from egm_core.engines.base import Engine, Request
from egm_core.families import Family
from egm_core.families.thinking import Opening

Constrain = Literal["auto", "off", "regex"]


def constrained(
    request: Request, engine: Engine, speaker: Family, opening: Opening, constrain: Constrain, several: bool = False
) -> Request:
    """Give the request with the answer's grammar; without thinking always, otherwise as `constrain` says.

    `several` allows any number of objects.
    """
    if not request.reasoning:
        if engine.grammar() == "none":
            return replace(request, json_schema=speaker.json_schema(several))
        return replace(request, regex=speaker.regex(False, opening, several))
    if constrain == "regex" or (constrain == "auto" and engine.grammar() == "enforced"):
        return replace(request, regex=speaker.regex(True, opening, several))
    return request
