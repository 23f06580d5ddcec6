"""What generated scenes are called as a data set, and their licence.

In files of earlier versions a source joins data set, world and kind of expression. A world's kind is no data set, and a
kind of expression is none: what tables group by data set and split would take them for splits. Records now have fields
for both.
"""

from __future__ import annotations

import re

GENERATED = "egm_scenes_v"
# They are drawn by this package's own code, from nothing that is anybody else's: theirs is its licence.
LICENCE = "Apache-2.0"
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


def licence_of(source: str, stated: str) -> str:
    """Give a record's licence: the one that is stated, else that of generated scenes where it is of those."""
    return stated or (LICENCE if generated(source) else "")


def generated(source: str) -> bool:
    """Tell whether a data set is one of generated scenes, by its name."""
    return source.startswith(GENERATED)
