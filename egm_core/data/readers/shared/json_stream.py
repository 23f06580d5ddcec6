"""Reads the arrays of a JSON file element by element, so that a file of any size fits into memory.

msgspec decodes as many whole elements of a window of the file's text as there are, and makes no values of fields that
nobody needs, such as COCO's polygons, which are most of a file. What it refuses is read again by Python's own decoder,
element by element: so a number that is none is named by its record.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeAlias, TypedDict

import msgspec

from egm_core.data.readers.kind import DataError, Place
from egm_core.data.readers.shared.fields import require

CHUNK = 1 << 22
# How often an end of whole elements is looked for in a window: the sign may stand inside of an element as well.
TRIES = 4
_BEGINS = re.compile(r'\{\s*"[^"\\]*"')
_SPACE = re.compile(r"[ \t\r\n]*")
_AFTER = tuple(",]}: \t\r\n")
_decode = json.JSONDecoder().raw_decode


class Nothing(TypedDict):
    """An object of which no field is needed."""


Decode: TypeAlias = Callable[[str], list[Any]]


def arrays(
    path: Path, names: Collection[str] = (), keep: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, int, Any]]:
    """Read the elements of the arrays of an object that have some names: the name, the number from 0, the element.

    A file that is an array itself has the name "". `keep` gives for an array a TypedDict or Struct of the fields that
    are needed; others may be left out, and an element that is no such thing comes as it is. DataError where the file is
    no such JSON, or lacks an array.
    """
    for name, first, found in batches(path, names, keep):
        for number, element in enumerate(found, first):
            yield name, number, element


def batches(
    path: Path, names: Collection[str] = (), keep: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, int, list[Any]]]:
    """Read as `arrays` does, several elements at a time: the array's name, the number of the first, and they."""
    require(path)
    with path.open("rb") as file:
        window = _Window(path, file)
        kept = keep or {}
        first = window.peek()
        if first == "[":
            if names and "" not in names:
                raise window.place.error(f"an array, where an object with {', '.join(names)} must stand")
            yield from window.elements("", _decoder(kept.get("", Any)))
            window.end()
            return
        if first != "{":
            raise window.place.error("no JSON object; copy it anew, and see that it is unpacked")
        found = set()
        for name in window.members():
            if name in names and window.peek() == "[":
                found.add(name)
                yield from window.elements(name, _decoder(kept.get(name, Any)))
            elif name in names:
                raise window.place.wrong(name, window.value("its value"), "a list must stand here")
            elif window.peek() == "[":
                for _ in window.elements(name, _decoder(Nothing)):
                    pass
            else:
                window.value(name)
        window.end()
    lacking = [name for name in names if name not in found]
    if lacking:
        raise Place(str(path)).error(f"it has no {' and no '.join(lacking)}; see that it is the right file")


@lru_cache
def _decoder(kind: Any) -> Decode:
    return msgspec.json.Decoder(list[kind]).decode


class _Window:
    """A part of a file's text, and a position in it."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self.file = path, file
        self.text, self.at = "", 0
        self._ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._searched = False

    @property
    def place(self) -> Place:
        return Place(str(self.path))

    def peek(self) -> str:
        """Give the next character that is no space, without passing it; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self, allowed: str, where: str) -> str:
        """Pass one character that must be one of some."""
        got = self.peek()
        if not got or got not in allowed:
            raise Place(str(self.path), where).error(
                f"not JSON: {got or 'the end'!r}, where one of {' '.join(allowed)} must stand; copy it anew"
            )
        self.at += 1
        return got

    def end(self) -> None:
        """Make sure that nothing follows: of files that were put together, only the first would be read."""
        if (more := self.peek()) != "":
            raise self.place.error(
                f"extra data after its end ({self.text[self.at : self.at + 40]!r}): "
                + ("two files in one? cut them apart, or copy it anew" if more in "[{" else "copy it anew")
            )

    def value(self, where: str) -> Any:
        """Decode the next value and pass it."""
        self.peek()
        while True:
            try:
                found, end = _decode(self.text, self.at)
                # A number may go on beyond the window, or seem to end before its point.
                if self.text[end : end + 1] in _AFTER or not self._more():
                    self.at = end
                    return found
            except (ValueError, RecursionError) as error:
                if not self._more():
                    raise self._broken(where, error) from error

    def members(self) -> Iterator[str]:
        """Give the names of an object's members; the caller passes each value."""
        self.take("{", "its beginning")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            name = self.value("a name")
            if not isinstance(name, str):
                raise self.place.wrong("a name", name, "a text must stand here")
            self.take(":", name)
            yield name
            if self.take(",}", f"after {name}") == "}":
                return

    def elements(self, name: str, decode: Decode) -> Iterator[tuple[str, int, list[Any]]]:
        """Decode the elements of an array."""
        self.take("[", name)
        if self.peek() == "]":
            self.at += 1
            return
        number = 0
        while True:
            if several := self._several(decode):
                yield name, number, several
                number += len(several)
                # What is left of the window is hardly ever whole, and a try that fails looks through all of it.
                self._more()
            where = f"{name or 'element'} {number + 1}"
            yield name, number, [self.value(where)]
            number += 1
            if self.take(",]", f"after {where}") == "]":
                return
            self.peek()

    def _several(self, decode: Decode) -> list[Any]:
        """Decode the elements up to the window's last, which may go on beyond it; none where that cannot be told.

        An element is taken to end where another begins as this one does. If that was inside of an element, the text up
        to there is not whole.
        """
        begins = None if self._searched else _BEGINS.match(self.text, self.at)
        if begins is None:
            return []
        last = len(self.text)
        for _ in range(TRIES):
            last = self.text.rfind(begins[0], self.at + 1, last)
            if last < 0:
                break
            cut = self.text.rfind(",", self.at, last)
            if cut < 0 or self.text[cut + 1 : last].strip():
                continue
            try:
                found = decode(f"[{self.text[self.at : cut]}]")
            except (ValueError, RecursionError):
                continue
            self.at = last
            return found
        # To look again is of use only when there is more text.
        self._searched = True
        return []

    def _more(self) -> bool:
        if self._ended:
            return False
        # A value that is longer than the window is tried again seldom.
        data = self.file.read(max(CHUNK, len(self.text) - self.at))
        self._ended = not data
        try:
            new = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            raise self.place.error(f"not UTF-8 ({error}); copy it anew, and see that it is unpacked") from error
        self.text = self.text[self.at :] + new
        self.at, self._searched = 0, False
        return bool(new) or not self._ended

    def _broken(self, where: str, error: Exception) -> DataError:
        return Place(str(self.path), where).error(f"not JSON ({error}); copy it anew, and see that it is whole")
