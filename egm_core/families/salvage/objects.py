"""Finds the objects that a loosely read value names: in lists, under keys, in texts, as corners or as sides."""

from __future__ import annotations

import re
from dataclasses import replace

from egm_core.families import parts
from egm_core.families.parts import Entry, Number, Refused
from egm_core.families.salvage.absence import EMPTY_WORDS, denies, says_absent
from egm_core.families.salvage.keys import (
    BOX_KEYS,
    LABEL_KEYS,
    OWN_KEY,
    are_numbered,
    flag,
    is_call,
    is_holder,
    is_other,
    is_score,
    is_status,
    is_worthless,
    plain,
    sides,
)
from egm_core.families.salvage.labels import names_nothing
from egm_core.families.salvage.loose import NUMERAL, Fields, LooseReader, Text, Value

POINT = rf"\(\s*{NUMERAL.pattern}\s*,\s*{NUMERAL.pattern}\s*\)"
SQUARE_POINT = rf"\[\s*{NUMERAL.pattern}\s*,\s*{NUMERAL.pattern}\s*\]"
POINTS = re.compile(rf"{POINT}(?:\s*,?\s*{POINT})+")
SPAN = re.compile(rf"{POINT}\s*(?:to|and|through|[-\u2013\u2014\u2192]>?|到|至|和)\s*{POINT}", re.IGNORECASE)
NUMBERS = re.compile(rf"\s*{NUMERAL.pattern}(?:\s*,\s*{NUMERAL.pattern}|\s+{NUMERAL.pattern})*\s*,?\s*")
# The sides of a box, each with its name, without brackets around: "x1=1, y1=2, x2=3, y2=4", or a line each.
NAMED_SIDES = re.compile(
    rf"(?:(?<![\w.])[*_-]{{0,3}}(?:[xy]|left|top|right|bottom|upper|lower)\w{{0,8}}[*_]{{0,3}}\s{{0,4}}[:=]\s{{0,4}}[*_]{{0,3}}"
    rf"\s{{0,4}}{NUMERAL.pattern}(?!\w|%|\.[0-9])[*_]{{0,3}}(?:\s{{0,4}}[,;|]\s{{0,4}}|\s{{1,8}})?(?:and\s|[-*]\s)?){{4,}}",
    re.IGNORECASE,
)

_SQUARE_POINTS = re.compile(rf"{SQUARE_POINT}\s*,?\s*{SQUARE_POINT}")
_NAMED_NUMBER = re.compile(rf"([a-z]\w*?)[*_]*\s*[:=]\s*[*_]*\s*({NUMERAL.pattern})", re.IGNORECASE)


class ObjectReader:
    """Reads the objects in values of one text.

    `mended` is told what was not as the format has it, and `sent` is what was asked, where that is known. `keys` hold
    boxes beside the usual ones.
    """

    def __init__(self, text: str, mended: set[str], sent: str = "", keys: frozenset[str] = frozenset()) -> None:
        self._text = text
        self._mended = mended
        self._sent = sent
        self._keys = keys

    def entries(self, value: Value) -> list[Entry]:
        """List the objects that a value names; raises Refused where it names none, or names one twice unlike."""
        if isinstance(value, list):
            if value and all(isinstance(v, (Number, Text)) for v in value):
                return [self._box(value)]
            corners = _corners(value)
            if corners:
                self._mended.add("nested")
                return [replace(self._box(corners), under=parts.POINTS)]
            return [entry for item in value for entry in self.entries(item)] if value else [Entry(None)]
        if isinstance(value, Fields):
            return self._fields(value)
        if value is None:
            self._mended.add("null")
            return [Entry(None)]
        raise Refused("malformed")

    def inside(self, start: int, end: int) -> list[Entry]:
        """Read what a pair of tags or quotes encloses: boxes in any writing, or nothing."""
        written = self._text[start:end].strip()
        if written.strip("[](){} .").lower() in ("", *EMPTY_WORDS) or says_absent(written, self._sent):
            return [Entry(None)]
        if any(writing.fullmatch(written) for writing in (POINTS, NUMBERS, _SQUARE_POINTS)):
            return [Entry(self.numbers(start, end))]
        reader = LooseReader(self._text, end)
        try:
            value, stop = reader.read(start)
        except Refused as refused:
            # What ends at a closed tag was not cut off.
            raise Refused("malformed" if refused.reason == "truncated" else refused.reason) from refused
        if self._text[stop:end].strip():
            raise Refused("malformed")
        self._mended |= reader.mended
        return self._boxes(value)

    def numbers(self, start: int, end: int) -> list[Value]:
        """List the numbers of text[start:end]."""
        return [Number.read(n.group(), n.start()) for n in NUMERAL.finditer(self._text, start, end)]

    def named(self, start: int, end: int) -> list[Value]:
        """List the numbers of "x1=1, y1=2, x2=3, y2=4" in the order of a box; raises Refused for other names."""
        found = _NAMED_NUMBER.finditer(self._text, start, end)
        corners = sides([(plain(n.group(1)), Number.read(n.group(2), n.start(2))) for n in found])
        if corners is None:
            raise Refused("malformed")
        self._mended.add("keys")
        return corners

    def _fields(self, fields: Fields) -> list[Entry]:
        if not fields.pairs:
            self._mended.add("null")
            return [Entry(None)]
        pairs = [(plain(key), value) for key, value in fields.pairs]
        boxes = [(key, value) for key, value in pairs if key in BOX_KEYS or key in self._keys]
        corners = sides(pairs)
        if corners is not None:
            boxes.append((parts.SIDES, corners))
            self._mended.add("keys")
        if not boxes:
            return self._wrapped(fields, pairs)
        labels = [(key, v.value) for key, v in pairs if key in LABEL_KEYS and isinstance(v, Text)]
        read = [
            replace(entry, own=key == OWN_KEY or key in self._keys, under=entry.under or key)
            for key, value in boxes
            for entry in self._boxes(value)
        ]
        # Equal keys, each box with its own label, are a list whose braces were forgotten.
        listed = len(labels) == len(boxes) and len({k for k, _ in labels}) == 1 == len({k for k, _ in boxes})
        if len(boxes) > 1 and not listed:
            read = _agreed(read)
        names = [name for _, name in labels] or [""]
        named = [replace(entry, label=names[min(i, len(names) - 1)]) for i, entry in enumerate(read)]
        return self._squared(named, pairs)

    def _squared(self, entries: list[Entry], pairs: list[tuple[str, Value]]) -> list[Entry]:
        """Square boxes with what else their object says of them; raises Refused where it denies them."""
        there = flag(pairs)
        nowhere = all(is_nowhere(entry.box) for entry in entries)
        if there is False or is_worthless(pairs) or self._denied(pairs):
            self._mended.add("words")
            if not nowhere:
                raise Refused("ambiguous")
            return [Entry(None)]
        if not nowhere and any(isinstance(v, Text) and denies(v.value) for key, v in pairs if key not in LABEL_KEYS):
            raise Refused("ambiguous")
        if there and all(entry.box is None for entry in entries):
            raise Refused("ambiguous")
        return entries

    def _denied(self, pairs: list[tuple[str, Value]]) -> bool:
        """Tell whether one of an object's texts says that it is not in the picture."""
        texts = [(key, v.value.replace("_", " ")) for key, v in pairs if isinstance(v, Text) and key not in BOX_KEYS]
        return any(
            says_absent(said, self._sent) if key not in LABEL_KEYS else names_nothing(said, self._sent)
            for key, said in texts
            if is_status(key) or key in LABEL_KEYS or " " in said.strip()
        )

    def _wrapped(self, fields: Fields, pairs: list[tuple[str, Value]]) -> list[Entry]:
        """Read an object that holds others, or a box under the object's name, or that says that there is nothing."""
        written = dict(zip((key for key, _ in pairs), (key for key, _ in fields.pairs), strict=True))
        alone = sum(not is_score(key) for key, _ in pairs) == 1
        names = [v.value for key, v in pairs if key in LABEL_KEYS and isinstance(v, Text)] or [""]
        held: list[tuple[str, list[Entry]]] = []
        for key, value in pairs:
            numbers = isinstance(value, list) and len(value) > 2 and all(isinstance(v, Number) for v in value)
            asked = _is_asked(written[key], self._sent)
            other = is_other(key) and not asked
            nothing = alone and value is None and not other and key not in LABEL_KEYS
            if not (numbers or _holds(value) or nothing) or (other and value == []):
                continue
            if other:
                raise Refused("not_four_numbers" if numbers and len(_as_list(value)) != 4 else "malformed")
            if numbers and not (alone or asked or is_holder(key)):
                # One property among others, not a name with its box.
                held.append((key, []))
                continue
            label = ("" if is_call(key) else names[0]) if is_holder(key) else written[key]
            held.append((key, [replace(entry, label=entry.label or label) for entry in self._boxes(value)]))
        if held:
            self._mended.add("nested")
            return self._squared(self._chosen(held, written), pairs)
        if flag(pairs) is False or self._denied(pairs):
            self._mended.add("words")
            return [Entry(None)]
        raise Refused("no_box")

    def _chosen(self, held: list[tuple[str, list[Entry]]], written: dict[str, str]) -> list[Entry]:
        """Choose among several keys: all of a numbered list, else the one that names what was asked; raises Refused."""
        if len(held) > 1 and not are_numbered([key for key, _ in held]):
            asked = [entries for key, entries in held if _is_asked(written[key], self._sent)]
            if len(asked) == 1:
                held = [("", asked[0])]
            elif all(entries for _, entries in held):
                return _agreed([entry for _, entries in held for entry in entries])
            else:
                raise Refused("ambiguous")
        found = [entry for _, entries in held for entry in entries]
        if not found:
            raise Refused("no_box")
        return found

    def _boxes(self, value: Value) -> list[Entry]:
        """Read a value that must be a box, or several: under a key that means one, or in tags."""
        if isinstance(value, Text):
            self._mended.add("string")
            return self.inside(value.start, value.end)
        if isinstance(value, list) and any(isinstance(v, (list, Fields)) for v in value):
            self._mended.add("nested")
            corners = _corners(value)
            if corners:
                return [replace(self._box(corners), under=parts.POINTS)]
            return [entry for item in value for entry in self._boxes(item)]
        return self.entries(value)

    def _box(self, values: list[Value]) -> Entry:
        """Give a box of numbers, or of texts that are numbers."""
        numbers: list[Value] = []
        for value in values:
            written = value.value.strip() if isinstance(value, Text) else ""
            if isinstance(value, Text) and NUMERAL.fullmatch(written):
                self._mended.add("string")
                value = Number.read(written, self._text.index(written, value.start))
            numbers.append(value)
        return Entry(numbers)


def key_of(value: Value) -> object:
    """Give what two equal values of boxes have in common."""
    return value.value if isinstance(value, (Number, Text)) else repr(value)


def holds_fields(value: Value) -> bool:
    """Tell whether a value is an object, or a list with one inside."""
    return isinstance(value, Fields) or (isinstance(value, list) and any(holds_fields(v) for v in value))


def is_nowhere(box: object) -> bool:
    """Tell whether a box is none, or the placeholder of one: four zeros, or minus ones."""
    if box is None:
        return True
    return isinstance(box, list) and len(box) == 4 and {key_of(v) for v in box} in ({0.0}, {-1.0})


def _agreed(entries: list[Entry]) -> list[Entry]:
    """Give the one object that all are; raises Refused where their boxes differ."""
    if len({tuple(map(key_of, entry.box or ())) for entry in entries}) > 1:
        raise Refused("ambiguous")
    return entries[:1]


def _corners(value: list[Value]) -> list[Value]:
    """Give the four numbers of two points in a list, else nothing."""
    pairs = [v for v in value if isinstance(v, list) and len(v) == 2 and all(isinstance(n, Number) for n in v)]
    return [number for pair in pairs for number in pair] if len(pairs) == len(value) == 2 else []


def _holds(value: Value) -> bool:
    """Tell whether a value may hold objects: fields, or a list that is not of plain values."""
    return isinstance(value, Fields) or (isinstance(value, list) and all(isinstance(v, (list, Fields)) for v in value))


def _as_list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _is_asked(name: str, sent: str) -> bool:
    """Tell whether a key names what was asked, articles and punctuation aside."""
    said, asked = (re.sub(r"^(?:the|an?)(?=[\W_])", "", text.strip().lower()) for text in (name, sent))
    return bool(sent) and plain(said) == plain(asked)
