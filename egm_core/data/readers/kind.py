"""What a reader is: a kind of files, with the arguments that name them and a generator of samples."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.sample import Sample
from egm_core.sample.shown import shown

PLACES = 3
REMEDY = "see that they are in pixels and in the order that the files' kind has, and that the sizes are the pictures'"
# As many first boxes that can all be none end a conversion at once.
FIRST = 100


class DataError(ValueError):
    """A file that can't be used; the message has file, record, field and remedy."""


@dataclass(frozen=True)
class Place:
    """Where something stands: a file, and a record in it, such as `line 3` or `ref 17`."""

    file: str
    record: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.record}" if self.record else self.file

    def error(self, what: str) -> DataError:
        """Make the error of this place."""
        return DataError(f"{self}: {what}")

    def wrong(self, name: str, value: Any, remedy: str) -> DataError:
        """Make the error of a field that holds what it must not."""
        return self.error(f"{name} is {shown(value)}; {remedy}")


@dataclass
class Tally:
    """Counts what a reader leaves out and what is missing, with the first places of each, while it reads.

    `kept` counts the samples, `folders` are those in which it looks for pictures, `guesses` what the files' names told.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    folders: dict[Path, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    guesses: dict[tuple[str, str, str], dict[str, None]] = field(default_factory=dict)

    def drop(self, reason: str, where: object, wrong: bool = False) -> None:
        """Count something that is left out, by its reason; `where` is its place.

        `wrong` says that it should not be there at all, as a box without area: many of these end a conversion.
        """
        self.dropped[reason] += 1
        known = self.places.setdefault(reason, [])
        if len(known) < PLACES:
            known.append(str(where))
        if wrong:
            self.wrong[reason] += 1
            if not self.kept and sum(self.wrong.values()) >= FIRST:
                raise self.all_wrong()

    def all_wrong(self) -> DataError:
        """Make the error of boxes that can all be none."""
        reason, _ = self.wrong.most_common(1)[0]
        count = sum(self.wrong.values())
        return DataError(
            f"all of the first {count:,} boxes can be none: {reason}, such as {self.places[reason][0]}; {REMEDY}"
        )

    def missing(self, image: str) -> None:
        """Count a picture that is not there, once however many samples show it."""
        self.lost.setdefault(image)

    def guess(self, what: str, value: str, option: str, file: str) -> None:
        """Keep that a file's name told what the data are called, in place of `option`; said once at the end."""
        self.guesses.setdefault((what, value, option), {}).setdefault(file)

    def note(self, words: str) -> None:
        """Keep a warning about the whole file, said once at the end."""
        if words not in self.notes:
            self.notes.append(words)


@dataclass(frozen=True)
class Kind:
    """A kind of files: what it is, its licence, the arguments of its reader, and the reader.

    `arguments` adds to a command's parser what names the files; `read` gives their samples one after the other, tells
    the tally what it leaves out, and raises DataError at what it cannot read. Pictures need not be looked for:
    `convert` does that. `example` is the arguments of a command.
    """

    name: str
    summary: str
    licence: str
    arguments: Callable[[ArgumentParser], None]
    read: Callable[[Namespace, Tally], Iterator[Sample]]
    example: str = ""
