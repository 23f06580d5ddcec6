"""Reads an answer that broke its family's format, where a careful reader would not doubt its box, or its absence.

The text is searched for boxes that stand inside something closed: a JSON value, a pair of tags, brackets. Numbers are
never completed or changed, and all that is found must agree: a draft and a final answer that differ are no answer.
Only a list of objects may hold several boxes; of them the first counts, as in the strict reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from egm_core.families.absence import denies, is_closed, says_absent
from egm_core.families.doubt import doubted
from egm_core.families.objects import key_of
from egm_core.families.parts import Entry, Refused
from egm_core.families.survey import LABELS, ORNAMENT, Found, Surveyor

_BOX_WORD = re.compile(r"\b(?:bounding|bbox|box|coordinates?|corners?|extent)\b|边界框|坐标", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?:;]\s|[。！？\n]")


@dataclass(frozen=True)
class Salvaged:
    """The objects of a salvaged answer, none where it is absent, and by what it was no answer of the format."""

    entries: list[Entry]
    mended: tuple[str, ...]


def salvage(text: str, start: int, end: int, whole: bool) -> Salvaged:
    """Find the objects of the answer text[start:end]; raises Refused.

    `whole` tells that the text is the answer for sure; otherwise it may be a reasoning that was never closed, whose
    passing mentions are no answer.
    """
    survey = Surveyor(text, start, end).survey()
    places = survey.places
    prose = " ".join(text[slice(*span)] for span in survey.prose)
    spoken = bool(ORNAMENT.sub("", prose))
    if not places:
        if spoken and says_absent(prose) and (whole or is_closed(prose)):
            return Salvaged([], ("words",))
        raise Refused("no_box" if spoken else "no_answer")
    if places[-1].start < survey.last_thought:
        # What stands before the last </think> may be a thought, and nothing came after it.
        raise Refused("ambiguous")
    if not whole and not all(_is_answer(text, start, place) for place in places):
        raise Refused("ambiguous")
    if any(entry.box is not None for place in places for entry in place.entries) and doubted(text[start:end], prose):
        raise Refused("ambiguous")
    groups = _joined(text, places)
    if len({tuple(map(key_of, group[0].box or ())) for group in groups}) > 1:
        raise Refused("ambiguous")
    entries = groups[0]
    absent = [entry for entry in entries if entry.box is None]
    if 0 < len(absent) < len(entries) or (not absent and denies(prose)):
        raise Refused("ambiguous")
    mended = survey.mended | ({"prose"} if spoken else set())
    return Salvaged([] if absent else entries, tuple(sorted(mended)) or ("format",))


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
