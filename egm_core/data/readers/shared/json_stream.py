"""Reads the arrays of a JSON file element by element, so that a file of any size fits into memory.

Python's own decoder does the work, on a window of the file's text. A field that nobody needs, such as COCO's polygons,
which are most of a file, can be taken out before it is decoded: that saves most of the time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from egm_core.data.readers.kind import DataError, Place
from egm_core.data.readers.shared.fields import require

CHUNK = 1 << 22
# How far the two brackets of a list of lists may be from its name.
SIGNS = 256
_SPACE = re.compile(r"[ \t\r\n]*")
_AFTER = tuple(",]}: \t\r\n")
_decode = json.JSONDecoder().raw_decode


def arrays(path: Path, names: Collection[str] = (), without: str = "") -> Iterator[tuple[str, int, Any]]:
    """Read the elements of the arrays of an object that have some names: the name, the number from 0, the element.

    A file that is an array itself has the name "". `without` names a field whose arrays of numbers come as 0. DataError
    where the file is no such JSON, or lacks an array.
    """
    require(path)
    with path.open("rb") as file:
        window = _Window(path, file, without)
        first = window.peek()
        if first == "[":
            if names and "" not in names:
                raise window.place.error(f"an array, where an object with {', '.join(names)} must stand")
            yield from window.elements("")
            return
        if first != "{":
            raise window.place.error("no JSON object; copy it anew, and see that it is unpacked")
        found = set()
        for name in window.members():
            if name in names and window.peek() == "[":
                found.add(name)
                yield from window.elements(name)
            elif name in names:
                raise window.place.wrong(name, window.value("its value"), "a list must stand here")
            elif window.peek() == "[":
                for _ in window.elements(name):
                    pass
            else:
                window.value(name)
    lacking = [name for name in names if name not in found]
    if lacking:
        raise Place(str(path)).error(f"it has no {' and no '.join(lacking)}; see that it is the right file")


class _Window:
    """A part of a file's text, and a position in it."""

    def __init__(self, path: Path, file: IO[bytes], without: str) -> None:
        self.path, self.file = path, file
        self.text, self.at = "", 0
        self._ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._thin = _Thinner(without) if without else None

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
            return
        while True:
            name = self.value("a name")
            if not isinstance(name, str):
                raise self.place.wrong("a name", name, "a text must stand here")
            self.take(":", name)
            yield name
            if self.take(",}", f"after {name}") == "}":
                return

    def elements(self, name: str) -> Iterator[tuple[str, int, Any]]:
        """Decode the elements of an array."""
        self.take("[", name)
        if self.peek() == "]":
            self.at += 1
            return
        number, together = 0, True
        while True:
            if together:
                for found in (several := self._several()):
                    yield name, number, found
                    number += 1
                # It may be because the array ends here, or for elements with others inside: they come one by one.
                together = bool(several)
            where = f"{name or 'element'} {number + 1}"
            yield name, number, self.value(where)
            number += 1
            if self.take(",]", f"after {where}") == "]":
                return
            self.peek()

    def _several(self) -> list[Any]:
        """Decode the elements up to the window's last that surely ends there; none where that cannot be told.

        Cut after any `},` a text of elements is whole only if the cut is between two of them.
        """
        cut = self.text.rfind("},", self.at)
        if cut < 0:
            return []
        text = f"[{self.text[self.at : cut + 1]}]"
        try:
            found, end = _decode(text, 0)
        except (ValueError, RecursionError):
            return []
        if end < len(text):
            return []
        self.at = cut + 2
        return found  # type: ignore[no-any-return]

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
        if self._thin is not None:
            new = self._thin(new, self._ended)
        self.text = self.text[self.at :] + new
        self.at = 0
        return bool(new) or not self._ended

    def _broken(self, where: str, error: Exception) -> DataError:
        return Place(str(self.path), where).error(f"not JSON ({error}); copy it anew, and see that it is whole")


class _Thinner:
    """Puts 0 in the place of a field's lists of lists of numbers, in a text that comes in pieces."""

    def __init__(self, name: str) -> None:
        self._name = f'"{name}"'
        self._opens = re.compile(r"\s*:\s*\[(?=\[)")
        self._held = ""

    def __call__(self, text: str, ended: bool) -> str:
        text = self._held + text
        parts, done, size = [], 0, len(self._name)
        while (at := text.find(self._name, done)) >= 0:
            opened = self._opens.match(text, at + size)
            end = text.find("]]", opened.end()) if opened else -1
            if not ended and (end < 0 if opened else len(text) - at < size + SIGNS):
                # The lists, or the signs before them, may go on in the next piece.
                break
            plain = opened is not None and end >= 0 and text.find('"', opened.end(), end) < 0
            if plain and text[at - 1 : at] != "\\":
                parts += [text[done : at + size], ":0"]
                done = end + 2
            else:
                parts.append(text[done : at + size])
                done = at + size
        else:
            at = len(text) if ended else max(done, len(text) - size)
        parts.append(text[done:at])
        self._held = text[at:]
        return "".join(parts)
