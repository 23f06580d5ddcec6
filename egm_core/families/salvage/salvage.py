"""Reads an answer that broke its family's format, where a careful reader would not doubt its box, or its absence.

The text, which must be whole, is searched for boxes that stand inside something closed (a JSON value, a pair of tags,
brackets) or under the names of their sides. Numbers are never completed or changed, and all that is found must agree:
a draft and a final answer that differ are no answer. Only a list of objects may hold several boxes; of them the first
counts, as in the strict reading. An object with a box under each of several names is no list: the names say which is
which, and only what was asked chooses among them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from egm_core.families.parts import Entry, Number, Refused
from egm_core.families.salvage.absence import denies, is_closed, says_absent
from egm_core.families.salvage.doubt import doubted
from egm_core.families.salvage.labels import names_nothing, without
from egm_core.families.salvage.objects import is_nowhere, key_of
from egm_core.families.salvage.survey import LABELS, ORNAMENT, Found, Surveyor

_BOX_WORD = re.compile(r"\b(?:bounding|bbox|box|coordinates?|corners?|extent)\b|边界框|坐标", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?:;]\s|[。！？\n]")


@dataclass(frozen=True)
class Salvaged:
    """The objects of a salvaged answer, none where it is absent, and by what it was no answer of the format."""

    entries: list[Entry]
    mended: tuple[str, ...]


def salvage(
    text: str, start: int, end: int, whole: bool, sent: str = "", keys: frozenset[str] = frozenset()
) -> Salvaged:
    """Find the objects of the answer text[start:end]; raises Refused.

    `whole` tells that the text is the answer for sure; otherwise it may be a reasoning that was never closed, whose
    passing mentions are no answer. `sent` is what was asked, where that is known. `keys` hold boxes here too, see
    `Speaker.box_keys`.
    """
    survey = Surveyor(text, start, end, sent, keys).survey()
    places = survey.places
    prose = " ".join(text[slice(*span)] for span in survey.prose)
    spoken = bool(ORNAMENT.sub("", prose))
    if not places:
        if spoken and says_absent(prose, sent) and (whole or is_closed(prose)):
            return Salvaged([], ("words",))
        raise Refused("no_box" if spoken else "no_answer")
    if places[-1].start < survey.last_thought:
        # What stands before the last </think> may be a thought, and nothing came after it.
        raise Refused("ambiguous")
    if not whole and not all(_is_answer(text, start, place) for place in places):
        raise Refused("ambiguous")
    denied = denies(prose)
    places = [replace(place, entries=_squared(place.entries, denied, sent)) for place in places]
    boxed = any(entry.box is not None for place in places for entry in place.entries)
    if boxed and doubted(without(text[start:end], sent), without(prose, sent)):
        raise Refused("ambiguous")
    groups = _joined(text, places)
    if len({tuple(map(key_of, group[0].box or ())) for group in groups}) > 1:
        raise Refused("ambiguous")
    entries = groups[0]
    absent = [entry for entry in entries if entry.box is None]
    if 0 < len(absent) < len(entries) or (not absent and (denied or _may_be_sides(entries[0]))):
        raise Refused("ambiguous")
    mended = survey.mended | ({"prose"} if spoken else set())
    return Salvaged([] if absent else entries, tuple(sorted(mended)) or ("format",))


def _squared(entries: list[Entry], denied: bool, sent: str) -> list[Entry]:
    """Take placeholders, such as four zeros, for absence where words say so; raises Refused where a label denies."""
    denying = [denied or names_nothing(entry.label, sent) for entry in entries]
    entries = [
        replace(entry, box=None) if no and is_nowhere(entry.box) else entry
        for entry, no in zip(entries, denying, strict=True)
    ]
    if any(entry.box is not None and names_nothing(entry.label, sent) for entry in entries):
        raise Refused("ambiguous")
    return entries


def _may_be_sides(entry: Entry) -> bool:
    """Tell whether numbers that broke the format may be x, y, width and height: corners that were swapped."""
    box = entry.box
    if entry.own or not isinstance(box, list) or len(box) != 4 or not all(isinstance(n, Number) for n in box):
        return False
    return bool(box[2].value < box[0].value or box[3].value < box[1].value)


def _is_answer(text: str, start: int, place: Found) -> bool:
    """Tell whether a place is an answer even where the text might be a reasoning that broke off.

    It is one on a line of its own, in tags, or in a first sentence that speaks of a box or is just a label.
    """
    before = text[start : place.start].strip()
    speaks = place.labelled or _BOX_WORD.search(before) is not None
    return place.alone or (speaks and _SENTENCE_END.search(before) is None)


def _joined(text: str, places: list[Found]) -> list[list[Entry]]:
    """Join the places that together list several objects."""
    groups = [list(places[0].entries)]
    for i in range(1, len(places)):
        if _lists(text, places[i - 1], places[i]):
            groups[-1] += places[i].entries
        else:
            groups.append(list(places[i].entries))
    return groups


def _lists(text: str, before: Found, place: Found) -> bool:
    """Tell whether two places are neighbours of one list."""
    if place.divided or before.form != place.form:
        return False
    gap = text[before.end : place.start]
    if place.form == "list":
        return before.labelled and place.labelled and re.match(r"\s*[\n,;]", gap) is not None
    for opened, closed in LABELS.items():
        gap = re.sub(f"{re.escape(opened)}.*?{re.escape(closed)}", "", gap, flags=re.DOTALL)
    return place.form in ("json", "tag") and not gap.strip(" \t\r\n,;")
