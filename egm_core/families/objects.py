"""Finds the objects that a loosely read value names: in lists, under keys, in texts, as corners or as sides."""

from __future__ import annotations

import re
from dataclasses import replace

from egm_core.families.absence import EMPTY_WORDS, says_absent
from egm_core.families.loose import NUMERAL, Fields, LooseReader, Text, Value
from egm_core.families.parts import Entry, Number, Refused

POINT = rf"\(\s*{NUMERAL.pattern}\s*,\s*{NUMERAL.pattern}\s*\)"
POINTS = re.compile(rf"{POINT}(?:\s*,?\s*{POINT})+")
NUMBERS = re.compile(rf"\s*{NUMERAL.pattern}(?:\s*,\s*{NUMERAL.pattern}|\s+{NUMERAL.pattern})*\s*,?\s*")

BOX_KEYS = (
    "bbox",
    "bbox2d",
    "bboxes",
    "box",
    "boxes",
    "boundingbox",
    "boundingboxes",
    "coordinates",
    "coords",
    "bboxcoordinates",
    "boxcoordinates",
    "boundingboxcoordinates",
)
LABEL_KEYS = ("label", "name", "object", "objectname", "class", "category", "ref", "description")
SIDES = (
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("topleft", "bottomright"),
    ("upperleft", "lowerright"),
)
FLAGS = ("found", "present", "visible", "exists", "detected")

# Keys of numbers that are no corners x0, y0, x1, y1, such as Gemini's box_2d, which puts y first.
_OTHER_SHAPE = re.compile(r"3d|point|poly|segm|mask|line|size|colou?r|rgb|wh$|cx|cent|yx|^box2d$|dimension|score|id$")
_NAMED_NUMBER = re.compile(rf"([a-z]\w*)\s*[:=]\s*({NUMERAL.pattern})", re.IGNORECASE)


class ObjectReader:
    """Reads the objects in values of one text; `mended` is told what was not as the format has it."""

    def __init__(self, text: str, mended: set[str]) -> None:
        self._text = text
        self._mended = mended

    def entries(self, value: Value) -> list[Entry]:
        """List the objects that a value names; raises Refused where it names none, or names one twice unlike."""
        if isinstance(value, list):
            if value and all(isinstance(v, (Number, Text)) for v in value):
                return [self._box(value)]
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
        if written.strip("[](){} .").lower() in ("", *EMPTY_WORDS) or says_absent(written):
            return [Entry(None)]
        if POINTS.fullmatch(written) or NUMBERS.fullmatch(written):
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
        sides = _sides([(_plain(n.group(1)), Number.read(n.group(2), n.start(2))) for n in found])
        if sides is None:
            raise Refused("malformed")
        self._mended.add("keys")
        return sides

    def _fields(self, fields: Fields) -> list[Entry]:
        if not fields.pairs:
            self._mended.add("null")
            return [Entry(None)]
        pairs = [(_plain(key), value) for key, value in fields.pairs]
        boxes = [(key, value) for key, value in pairs if key in BOX_KEYS]
        sides = _sides(pairs)
        if sides is not None:
            boxes.append(("", sides))
            self._mended.add("keys")
        if not boxes:
            return self._wrapped(pairs)
        labels = [(key, v.value) for key, v in pairs if key in LABEL_KEYS and isinstance(v, Text)]
        read = [entry for _, value in boxes for entry in self._boxes(value)]
        # Equal keys, each box with its own label, are a list whose braces were forgotten.
        listed = len(labels) == len(boxes) and len({k for k, _ in labels}) == 1 == len({k for k, _ in boxes})
        if len(boxes) > 1 and not listed:
            if len({tuple(map(key_of, entry.box or ())) for entry in read}) > 1:
                raise Refused("ambiguous")
            read = read[:1]
        names = [name for _, name in labels] or [""]
        return [replace(entry, label=names[min(i, len(names) - 1)]) for i, entry in enumerate(read)]

    def _wrapped(self, pairs: list[tuple[str, Value]]) -> list[Entry]:
        """Read an object that only holds others, or that says that there is nothing."""
        found: list[Entry] = []
        for key, value in pairs:
            if isinstance(value, list) and len(value) > 2 and all(isinstance(v, Number) for v in value):
                if _OTHER_SHAPE.search(key):
                    raise Refused("malformed" if len(value) == 4 else "not_four_numbers")
                found.append(self._box(value))
            elif isinstance(value, Fields) or (isinstance(value, list) and not any(_is_plain(v) for v in value)):
                found += self.entries(value)
        if found:
            self._mended.add("nested")
            return found
        flags = [value for key, value in pairs if key in FLAGS]
        if False in flags or any(isinstance(value, Text) and says_absent(value.value) for _, value in pairs):
            self._mended.add("words")
            return [Entry(None)]
        raise Refused("no_box")

    def _boxes(self, value: Value) -> list[Entry]:
        """Read a value that must be a box, or several: under a key that means one, or in tags."""
        if isinstance(value, Text):
            self._mended.add("string")
            return self.inside(value.start, value.end)
        if isinstance(value, list) and any(isinstance(v, (list, Fields)) for v in value):
            self._mended.add("nested")
            if len(value) == 2 and all(isinstance(v, list) and len(v) == 2 for v in value):
                return [self._box([number for pair in value if isinstance(pair, list) for number in pair])]
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


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _is_plain(value: Value) -> bool:
    return not isinstance(value, (list, Fields))


def _sides(pairs: list[tuple[str, Value]]) -> list[Value] | None:
    """Give the four sides of a box that keys name each on its own; raises Refused where one is named twice."""
    keys = [key for key, _ in pairs]
    values = dict(pairs)
    for names in SIDES:
        if all(name in values for name in names):
            if any(keys.count(name) > 1 for name in names):
                raise Refused("ambiguous")
            return [part for name in names for part in _parts(values[name])]
    return None


def _parts(value: Value) -> list[Value]:
    if isinstance(value, Fields):
        named = {_plain(key): inner for key, inner in value.pairs}
        return [named.get("x"), named.get("y")]
    return value if isinstance(value, list) else [value]
