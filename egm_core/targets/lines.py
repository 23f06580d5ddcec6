"""Reads the lines of an instruction, each of which is a target, and says by name what it leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST = 16
_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Lines:
    """The lines of an instruction, verbatim; `left_out` says what of it is no line of its own."""

    lines: tuple[str, ...] = ()
    left_out: str = ""


def read(text: str, name: str = "instruction") -> Lines:
    """Split a text into its lines; ValueError says how many are too many, and `name` is where the text stands.

    Blank lines and those that are there already are left out. One line break at the end only ends the last line.
    """
    entries = _BREAK.split(text)
    if len(entries) > 1 and not entries[-1]:
        entries.pop()
    lines = tuple(dict.fromkeys(entry for entry in entries if entry.strip()))
    if len(lines) > MOST:
        raise ValueError(f"{name}: has {len(lines)} lines, and {MOST} targets at a time are the most; leave some away")
    if not lines:
        return Lines()
    blank = sum(not entry.strip() for entry in entries)
    twice = len(entries) - blank - len(lines)
    told = [_counted(blank, "is blank", "are blank"), _counted(twice, "is there twice", "are there twice")]
    said = " and ".join(filter(None, told))
    return Lines(lines, f"{name}: of {len(entries)} lines {said}; these are left out" if said else "")


def listed(entries: Sequence[str], name: str) -> tuple[str, ...]:
    """Give a list's entries as lines; one blank entry alone is none. ValueError names what is wrong."""
    if all(not entry.strip() for entry in entries) and len(entries) < 2:
        return ()
    for number, entry in enumerate(entries, 1):
        if not entry.strip():
            raise ValueError(f"{name}: entry {number} of {len(entries)} is blank; leave it away")
        if _BREAK.search(entry):
            raise ValueError(f"{name}: {entry!r} holds a line break; give each line an entry of its own")
    again = next((entry for entry in entries if list(entries).count(entry) > 1), None)
    if again is not None:
        raise ValueError(f"{name}: {again!r} is there twice; leave one of them away")
    if len(entries) > MOST:
        raise ValueError(f"{name}: has {len(entries)} entries, and {MOST} targets at a time are the most")
    return tuple(entries)


def written(lines: Iterable[str]) -> str:
    """Write lines as one text."""
    return "\n".join(lines)


def taken_apart(text: str) -> tuple[str, ...]:
    """Give the lines of a text that `written` wrote, however many."""
    return tuple(line for line in text.split("\n") if line.strip())


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}" if count else ""
