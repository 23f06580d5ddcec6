"""How a value that must not stand in a record is shown in the line that refuses it."""

from __future__ import annotations

from typing import Any

# A picture's bytes in the place of a path would fill the screen.
LONGEST = 120


def shown(value: Any) -> str:
    """Write a value as Python does, cut where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        # A pickle may nest lists as deep as it likes.
        return f"a {type(value).__name__}, nested too deep to show"
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
