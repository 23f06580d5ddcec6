"""Reads JSON as models write it: loose in its punctuation, exact in its numbers.

Packages that repair JSON guess: they close what a limit cut off, and so make four numbers of three and a half, and
they keep the last of two equal keys. Here a value is read to its closing bracket or not at all. What may differ from
JSON: quotes inside a text, single and curly quotes, keys without quotes, Python's words and tuples, comments, commas
too many, and spaces instead of commas between numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from egm_core.families.parts import Number, Refused

DEEPEST = 30
OPENING = {"[": "]", "(": ")", "{": "}"}
QUOTES = {'"': '"', "'": "'", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}

NUMERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_AFTER_NUMERAL = re.compile(r"[\s,\])}]")
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_NEXT_KEY = re.compile(r"(?:\s*,|[^\S\n]*\n)\s*[\"'\u201c]?[\w -]{1,40}[\"'\u201d]?\s*:")
_AFTER_FIELD = re.compile(r"\s*(?:,\s*)?\}")
_AFTER_TEXT = re.compile(r"\s*(?:[}\])]|,\s*(?:[}\])]|[\"'\u201c\[({0-9-]))")
_MARK = re.compile(r"\\.|[\"'\u201d]", re.DOTALL)
_CONSTANTS = {"null": None, "none": None, "undefined": None, "true": True, "false": False}
_NOT_FINITE = ("nan", "inf", "infinity")


@dataclass(frozen=True)
class Text:
    """A text of an answer, and from where to where it stands, without its quotes."""

    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Fields:
    """An object's keys and values as they were written; a key may stand there twice."""

    pairs: tuple[tuple[str, Value], ...]


Value: TypeAlias = "Number | Text | Fields | list[Value] | bool | None"


class LooseReader:
    """Reads values of one text up to `end`; `mended` tells what was not JSON."""

    def __init__(self, text: str, end: int) -> None:
        self.text = text
        self.end = end
        self.mended: set[str] = set()

    def read(self, start: int) -> tuple[Value, int]:
        """Read the value that begins at `start`, and give where it ends; raises Refused."""
        return self._value(start, 0, "]")

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at, self.end)
        return found.end() if found else at

    def _next(self, at: int) -> tuple[str, int]:
        at = self._skip(at)
        if at >= self.end:
            raise Refused("truncated")
        return self.text[at], at

    def _value(self, at: int, depth: int, closer: str) -> tuple[Value, int]:
        mark, at = self._next(at)
        if depth > DEEPEST:
            raise Refused("malformed")
        if mark == "{":
            return self._fields(at + 1, depth + 1)
        if mark in OPENING:
            return self._list(at + 1, depth + 1, OPENING[mark])
        if mark in QUOTES:
            return self._quoted(at, closer)
        return self._bare(at)

    def _bare(self, at: int) -> tuple[Value, int]:
        numeral = NUMERAL.match(self.text, at, self.end)
        if numeral:
            end = numeral.end()
            if end >= self.end:
                raise Refused("truncated")
            if not _AFTER_NUMERAL.match(self.text, end, self.end):
                raise Refused("malformed")
            return Number.read(numeral.group(), at), end
        word = _WORD.match(self.text, at + (self.text[at] == "-"), self.end)
        if word is None:
            raise Refused("malformed")
        said = word.group().lower()
        if said in _NOT_FINITE:
            raise Refused("not_finite")
        if said not in _CONSTANTS:
            raise Refused("truncated" if word.end() >= self.end else "malformed")
        if said != word.group() or said in ("none", "undefined"):
            self.mended.add("json")
        return _CONSTANTS[said], word.end()

    def _list(self, at: int, depth: int, closer: str) -> tuple[Value, int]:
        found: list[Value] = []
        gaps: set[str] = set()
        if closer == ")":
            self.mended.add("json")
        while True:
            mark, at = self._next(at)
            if mark == closer:
                break
            value, at = self._value(at, depth, closer)
            found.append(value)
            mark, after = self._next(at)
            if mark == ",":
                at = after + 1
                if self._next(at)[0] == closer:
                    self.mended.add("json")
                else:
                    gaps.add(",")
            elif mark != closer:
                gaps.add(" ")
                self.mended.add("json")
        # A comma that is missing among others may be a digit that is missing as well.
        if " " in gaps and (len(gaps) > 1 or not _alike(found)):
            raise Refused("malformed")
        return found, at + 1

    def _fields(self, at: int, depth: int) -> tuple[Value, int]:
        pairs: list[tuple[str, Value]] = []
        while True:
            mark, at = self._next(at)
            if mark == "}":
                return Fields(tuple(pairs)), at + 1
            key, at = self._key(at, mark)
            mark, at = self._next(at)
            if mark != ":":
                raise Refused("malformed")
            value, at = self._value(at + 1, depth, "}")
            pairs.append((key, value))
            mark, after = self._next(at)
            if mark == ",":
                at = after + 1
                if self._next(at)[0] == "}":
                    self.mended.add("json")
            elif mark != "}":
                if "\n" not in self.text[at:after]:
                    raise Refused("malformed")
                self.mended.add("json")
                at = after

    def _key(self, at: int, mark: str) -> tuple[str, int]:
        if mark in QUOTES:
            closed = self.text.find(QUOTES[mark], at + 1, self.end)
            if closed < 0:
                raise Refused("truncated")
            return self.text[at + 1 : closed], closed + 1
        word = _WORD.match(self.text, at, self.end)
        if word is None:
            raise Refused("malformed")
        self.mended.add("json")
        return word.group(), word.end()

    def _quoted(self, at: int, closer: str) -> tuple[Text, int]:
        """Read a text to the quote after which a value may end: one that stands inside the text has more behind it."""
        closing = QUOTES[self.text[at]]
        if closing != '"':
            self.mended.add("json")
        inner = False
        place = at + 1
        while mark := _MARK.search(self.text, place, self.end):
            place = mark.end()
            if mark.group() != closing:
                continue
            rest = self._skip(place)
            if rest >= self.end:
                raise Refused("truncated")
            if self._may_end(place, closer):
                if inner:
                    self.mended.add("quotes")
                return Text(self.text[at + 1 : mark.start()], at + 1, mark.start()), place
            inner = True
        raise Refused("truncated")

    def _may_end(self, place: int, closer: str) -> bool:
        if closer == "}":
            return any(after.match(self.text, place, self.end) for after in (_AFTER_FIELD, _NEXT_KEY))
        return _AFTER_TEXT.match(self.text, place, self.end) is not None


def _alike(values: list[Value]) -> bool:
    return all(isinstance(v, Number) for v in values) or all(isinstance(v, (Fields, list)) for v in values)
