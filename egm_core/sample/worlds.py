"""The names that generated scenes had as sources in files of earlier versions: data set, world and kind of expression.

A world's kind is no data set, and a kind of expression is none: what tables group by data set and split would take
them for splits. Records now have fields for both.
"""

from __future__ import annotations

import re

GENERATED = "egm_scenes_v"
_JOINED = re.compile(rf"({GENERATED}\d+)/([^/\s]+)(?:/([^/\s]+))?")


def apart(source: str, world: str = "", kind: str = "") -> tuple[str, str, str]:
    """Give data set, world and kind of expression, taken from a source that joins them where it does."""
    joined = _JOINED.fullmatch(source) if source.startswith(GENERATED) else None
    if joined is None:
        return source, world, kind
    return joined[1], world or joined[2], kind or joined[3] or ""


def column(name: str) -> str:
    """Give a table's group of a stored result, data set and split, without the kinds that an earlier version joined."""
    return _JOINED.sub(r"\1", name) if name.startswith(GENERATED) else name


def generated(source: str) -> bool:
    """Tell whether a data set is one of generated scenes, by its name."""
    return source.startswith(GENERATED)
