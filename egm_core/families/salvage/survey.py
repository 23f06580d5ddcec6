"""Goes once through an answer that broke its format, and lists where it names objects and what is prose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from egm_core.families import parts
from egm_core.families.parts import THINK_CLOSE, THINK_OPEN, Entry, Refused
from egm_core.families.salvage.doubt import LEGEND
from egm_core.families.salvage.loose import NUMERAL, LooseReader
from egm_core.families.salvage.objects import NAMED_SIDES, NUMBERS, POINT, POINTS, SPAN, ObjectReader, holds_fields

MOST_PLACES = 64
NEAR = 200
LABELS = {"<ref>": "</ref>", "<|object_ref_start|>": "<|object_ref_end|>"}
ORNAMENT = re.compile(r"[\s*`_\"'.,:;。，：\-]+|\b(?:json|python)\b", re.IGNORECASE)

_TAGS = {"<box>": "</box>", "<bbox>": "</bbox>", "<|box_start|>": "<|box_end|>"}
_CORNER = r"(top|upper|bottom|lower)[\s-]*(left|right)\b"
_BOXED = "\\boxed{"
_MARK = re.compile(
    rf"```\w*|<\|?/?[a-z_]+\|?>|{_CORNER}|{LEGEND.pattern}|\\boxed\{{|\\[\[\]()]|{NAMED_SIDES.pattern}|[\[{{(\]}}]",
    re.IGNORECASE,
)
_FENCE_END = re.compile(r"\n\s*```")
_SIMPLE = re.compile(r"\[([^\[\]{}()]*)\]")
_ROUND = re.compile(r"\(([^\[\]{}()]*)\)")
_NAMED = re.compile(rf"\s*(?:[a-z]\w*\s*[:=]\s*{NUMERAL.pattern}\s*,?\s*){{4}}", re.IGNORECASE)
_FAR = r"[^()\[\]{}]{0,40}?"
_CORNERS = re.compile(rf"{_CORNER}{_FAR}({POINT}){_FAR}{_CORNER}{_FAR}({POINT})", re.IGNORECASE)
_BOX_WORD = re.compile(r"\b(?:bounding|bbox|box|coordinates?|corners?)\b|边界框|坐标", re.IGNORECASE)
_EXTENT = re.compile(
    r"\b(?:spans?|spanning|extends?|extending|extent|covers?|covering|occup(?:ies|ying)|stretch(?:es|ing)?|rectangle|region"
    r"|area|located)\b|^\W*from\W*$|范围|区域|从",
    re.IGNORECASE,
)
# Two points that are no corners: a way, a gesture, the middles of two things.
_WAY = re.compile(
    r"\b(?:mov|runs?\b|goes\b|walk|drag|swip|path|line|arrow|travel|lead|point|cent(?:er|re)|keypoint|polyg)\w*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """One place of an answer that names objects.

    `alone` says that it begins its line or is marked as a box; `labelled` that a label touches it, as it does where a
    tokenizer drops the tags; `divided` that it may not be joined with what stands before it.
    """

    entries: list[Entry]
    start: int
    end: int
    form: str
    alone: bool
    labelled: bool = False
    divided: bool = False


@dataclass
class Survey:
    """What a text holds: its places with objects, its prose, and how it breaks the format."""

    places: list[Found] = field(default_factory=list)
    prose: list[tuple[int, int]] = field(default_factory=list)
    mended: set[str] = field(default_factory=set)
    last_thought: int = 0


class Surveyor:
    """Surveys text[start:end] from mark to mark."""

    def __init__(self, text: str, start: int, end: int, sent: str = "", keys: frozenset[str] = frozenset()) -> None:
        self._text, self._start, self._end = text, start, end
        self._found = Survey(last_thought=start)
        self._objects = ObjectReader(text, self._found.mended, sent, keys)
        self._limit = end
        self._divided = False
        self._label = ""
        self._opened = 0

    def survey(self) -> Survey:
        """Find all places; raises Refused for a structure that is broken or cut off."""
        at = self._start
        while mark := _MARK.search(self._text, at, self._end):
            self._prose(at, mark.start())
            at = self._after(mark)
        self._prose(at, self._end)
        if self._opened > 0:
            raise Refused("truncated")
        return self._found

    def _after(self, mark: re.Match[str]) -> int:
        """Read what a mark begins, and give where it ends."""
        said, end = mark.group().lower(), mark.end()
        if said.startswith("```"):
            self._divided = True
            closed = _FENCE_END.search(self._text, end, self._end)
            self._limit = closed.start() if closed else self._end
            return end
        if said in ("<answer>", "</answer>"):
            self._opened += 1 if said == "<answer>" else -1
            self._found.mended.add("tags")
            self._divided = True
            return end
        if said in (THINK_OPEN, THINK_CLOSE):
            self._found.mended.add("thoughts")
            self._found.last_thought = self._closing(THINK_CLOSE, end) if said == THINK_OPEN else end
            return self._found.last_thought
        if said in LABELS:
            closing = self._closing(LABELS[said], end)
            self._label = self._text[end : closing - len(LABELS[said])]
            return closing
        if said in _TAGS:
            closing = self._closing(_TAGS[said], end)
            self._found.mended.add("tags")
            entries = self._objects.inside(end, closing - len(_TAGS[said]))
            named = [replace(entry, label=entry.label or self._label, own=True) for entry in entries]
            return self._add(named, mark.start(), closing, "tag", alone=True)
        if said == _BOXED:
            closing = self._closing("}", end)
            self._found.mended.add("tags")
            return self._add(self._objects.inside(end, closing - 1), mark.start(), closing, "tag", alone=True)
        if said in ("]", "}"):
            raise Refused("malformed")
        if said[0] == "\\" or LEGEND.fullmatch(said):
            return self._prose(mark.start(), end)
        if NAMED_SIDES.fullmatch(mark.group()):
            return self._named(mark.start(), end)
        return self._structure(mark) if said[0] != "<" else end

    def _structure(self, mark: re.Match[str]) -> int:
        start, said = mark.start(), mark.group()
        if said == "(":
            return self._round(start)
        if said not in "[{":
            return self._corners(mark)
        simple = _SIMPLE.match(self._text, start, self._end)
        return self._square(simple) if simple else self._json(start)

    def _json(self, start: int) -> int:
        reader = LooseReader(self._text, self._limit if self._limit > start else self._end)
        try:
            value, stop = reader.read(start)
        except Refused as refused:
            # What ends at a closed fence was not cut off.
            cut = refused.reason == "truncated" and reader.end == self._end
            raise Refused("malformed" if refused.reason == "truncated" and not cut else refused.reason) from refused
        entries = self._objects.entries(value)
        self._found.mended |= reader.mended
        return self._add(entries, start, stop, "json" if holds_fields(value) else "list", self._begins_line(start))

    def _square(self, found: re.Match[str]) -> int:
        """Read brackets with no others inside: a box, nothing, or a word in brackets."""
        inside, start, stop = found.group(1), found.start(), found.end()
        if inside.strip(" \n\t\"'").lower() in ("", "none", "null"):
            return self._add([Entry(None)], start, stop, "list", self._begins_line(start))
        if NUMBERS.fullmatch(inside) or _NAMED.fullmatch(inside):
            return self._listed(found)
        if len(re.findall(r"[0-9]", inside)) > 2 and inside.count(",") > 2:
            return self._json(start)
        return self._prose(start, stop)

    def _named(self, start: int, end: int) -> int:
        """Read the sides of a box that stand there by their names, without brackets."""
        if self._text[self._start : start].rstrip().endswith("(") and ")" not in self._text[end : self._end]:
            raise Refused("truncated")
        try:
            numbers = self._objects.named(start, end)
        except Refused as refused:
            if refused.reason == "malformed":
                return self._prose(start, end)
            raise
        return self._add([Entry(numbers, under=parts.SIDES)], start, end, "points", self._begins_line(start))

    def _round(self, start: int) -> int:
        points = SPAN.match(self._text, start, self._end) or POINTS.match(self._text, start, self._end)
        if points:
            numbers = self._objects.numbers(*points.span())
            alone = self._begins_line(start)
            joined = SPAN.fullmatch(points.group()) is not None
            told = self._speaks_of_box(start) or (not joined and (alone or self._is_labelled(start)))
            if len(numbers) == 4 and told and not _WAY.search(self._before(start)):
                self._found.mended.add("points")
                return self._add([Entry(numbers, under=parts.POINTS)], start, points.end(), "points", alone)
            return self._prose(*points.span())
        found = _ROUND.match(self._text, start, self._end)
        if found and (NUMBERS.fullmatch(found.group(1)) or _NAMED.fullmatch(found.group(1))):
            self._found.mended.add("points")
            return self._listed(found)
        return self._prose(start, start + 1)

    def _listed(self, found: re.Match[str]) -> int:
        """Read brackets that hold numbers only; up to two are a note, a point or a part of a label."""
        numbers, under = self._objects.numbers(*found.span(1)), ""
        if _NAMED.fullmatch(found.group(1)):
            numbers, under = self._objects.named(*found.span(1)), parts.SIDES
        elif len(numbers) <= 2:
            return self._prose(*found.span())
        elif found.group(1).strip().rstrip(",").count(",") not in (0, len(numbers) - 1):
            # A comma that is missing among others may be a digit that is missing as well.
            raise Refused("malformed")
        return self._add([Entry(numbers, under=under)], *found.span(), "list", self._begins_line(found.start()))

    def _corners(self, mark: re.Match[str]) -> int:
        """Read two opposite corners that words name: "top-left (1, 2), bottom-right (3, 4)"."""
        found = _CORNERS.match(self._text, mark.start(), self._end)
        if found is None:
            return self._prose(*mark.span())
        upper = [found[group].lower() in ("top", "upper") for group in (1, 4)]
        if upper[0] == upper[1] or found[2].lower() == found[5].lower():
            raise Refused("ambiguous")
        self._found.mended.add("points")
        numbers = [*self._objects.numbers(*found.span(3)), *self._objects.numbers(*found.span(6))]
        entries = [Entry(numbers, under=parts.POINTS)]
        return self._add(entries, found.start(), found.end(), "points", self._begins_line(found.start()))

    def _add(self, entries: list[Entry], start: int, end: int, form: str, alone: bool) -> int:
        labelled = self._is_labelled(start)
        if labelled and len(entries) and form in ("list", "points"):
            label = self._text[self._line(start) : start].strip()
            entries = [replace(entry, label=entry.label or label) for entry in entries]
        self._found.places.append(Found(entries, start, end, form, alone, labelled, self._divided))
        if len(self._found.places) > MOST_PLACES:
            raise Refused("malformed")
        self._divided, self._label = False, ""
        return end

    def _prose(self, start: int, end: int) -> int:
        if start < end:
            self._found.prose.append((start, end))
        return end

    def _closing(self, tag: str, at: int) -> int:
        closed = self._text.find(tag, at, self._end)
        if closed < 0:
            raise Refused("truncated")
        return closed + len(tag)

    def _line(self, at: int) -> int:
        return max(self._text.rfind("\n", self._start, at) + 1, self._found.last_thought)

    def _before(self, at: int) -> str:
        """Give what stands before on its line, or the last of it."""
        return self._text[max(self._line(at), at - NEAR) : at]

    def _begins_line(self, at: int) -> bool:
        return at - self._line(at) < NEAR and not ORNAMENT.sub("", _MARK.sub("", self._before(at)))

    def _is_labelled(self, at: int) -> bool:
        before = self._before(at)
        return bool(before) and (before[-1].isalnum() or before[-1] in "!?%)\"'") and not self._begins_line(at)

    def _speaks_of_box(self, at: int) -> bool:
        before = self._before(at)
        return _BOX_WORD.search(before) is not None or _EXTENT.search(before) is not None
