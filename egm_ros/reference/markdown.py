"""Markdown of which the reference pages are made."""

from __future__ import annotations

from collections.abc import Iterable

# The first line below each page's title.
ORIGIN = "% Written by `make docs` from the code; do not edit."


def page(title: str, *parts: str) -> str:
    """Make a page of a title and its parts; empty parts are left out."""
    return "\n\n".join([ORIGIN, f"# {title}", *filter(None, parts)]) + "\n"


def section(title: str, content: str, level: int = 2) -> str:
    """Make a section; empty where there is no content."""
    return f"{'#' * level} {title}\n\n{content}" if content else ""


def code(text: str) -> str:
    """Set a text between backticks; nothing where there is none."""
    return f"`{text}`" if text else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Lay out a table, without the columns that are empty in every row; empty where there are no rows."""
    body = list(rows)
    if not body:
        return ""
    used = [column for column in range(len(head)) if any(row[column] for row in body)]
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(_cell(line[column]) for column in used) + " |" for line in lines)


def _cell(text: str) -> str:
    """Write one cell: a bar would end it, and < would begin a tag outside of code."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    outside = [part.replace("<", "&lt;") if number % 2 == 0 else part for number, part in enumerate(parts)]
    return "`".join(outside)
