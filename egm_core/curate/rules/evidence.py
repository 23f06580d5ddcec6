"""A noun such as box or line, weighed by the words around it: a drawing on the picture, or a thing's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from egm_core.curate.colours import KIN, kin
from egm_core.curate.rules.lexicon import listed

# From this weight on, a noun is a drawing.
ENOUGH = 2.0
# Words before and after a noun that are weighed with it.
_REACH = 90
# A noun of this weight names a mark rather than a part of a thing.
_MARK = 1.0
_SIGN = 0.75
_COLOURED = 1.5
# The frame's colour says less where the object has the same one.
_COLOURED_AS_THE_OBJECT = 0.75
_OTHER_COLOUR = -1.0
_TOLD = listed("evidence")


def _compiled(part: str, form: str) -> tuple[tuple[float, re.Pattern[str]], ...]:
    return tuple(
        (float(str(weight).split()[0]), re.compile(form.replace("WORDS", "|".join(lines))))
        for weight, lines in _TOLD[part].items()
    )


_NOUNS = _compiled("nouns", r"(?<![\w'-])(?:WORDS)(?![\w'-])")
_BEFORE = _compiled("before", r"(?<![\w-])(?:WORDS) $")
_AFTER = _compiled("after", r"(?:WORDS)(?!\w)")
_OVER = _compiled("over", r"(?:WORDS)(?!\w)")
_ACROSS = _compiled("across", r"(?:WORDS)(?!\w)")
_CLAUSE_STARTS = re.compile(r".*[.;:!?](?=\s)|.*, ")
_CLAUSE_ENDS = re.compile(r"[.;:!?](?=\s|$)|, (?!however|too|in turn)")
_COLOURS = frozenset(
    {*(name for names in KIN.values() for name in names), "grey", "gray", "brown", "silver", "dark", "pale"}
)


def drawings(text: str, colour: str = "", allowed: str = "") -> Iterator[str]:
    """Give the words of a masked trace that, by what stands around them, name a drawing in some colour.

    A noun that is among the allowed words, those of the expression, is left out.
    """
    for prior, pattern in _NOUNS:
        for found in pattern.finditer(text):
            before = _CLAUSE_STARTS.sub("", text[max(0, found.start() - _REACH) : found.start()])
            after = _CLAUSE_ENDS.split(text[found.end() : found.end() + _REACH])[0]
            if re.search(rf"\b{re.escape(found[0].removesuffix('s'))}", allowed):
                continue
            if prior + _weight(before, after, prior, colour, text) >= ENOUGH:
                yield f"{' '.join(before.split()[-2:])} {found[0]}{' '.join(['', *after.split()[:3]])}".strip()


def _weight(before: str, after: str, prior: float, colour: str, text: str) -> float:
    total = sum(weight for weight, pattern in _BEFORE if pattern.search(before))
    coloured = bool(_painted(colour).search(f"{before}#"))
    if coloured:
        total += _COLOURED_AS_THE_OBJECT if _of_the_object(colour).search(text) else _COLOURED
    total += sum(_best(_AFTER, after))
    total += sum(weight for weight, pattern in _ACROSS if pattern.match(after))
    if coloured or prior >= _MARK:
        total += sum(weight for weight, pattern in _OVER if pattern.match(after))
    if not coloured and prior < _SIGN and before.split()[-1:] and before.split()[-1] in _COLOURS:
        total += _OTHER_COLOUR
    return total


def _best(rules: tuple[tuple[float, re.Pattern[str]], ...], text: str) -> Iterator[float]:
    """Give the greatest weight for a noun being a drawing, and those against it."""
    found = [weight for weight, pattern in rules if pattern.match(text)]
    yield max((weight for weight in found if weight > 0), default=0.0)
    yield from (weight for weight in found if weight < 0)


@lru_cache(64)
def _painted(colour: str) -> re.Pattern[str]:
    names = "|".join(map(re.escape, kin(colour))) if colour else "(?!)"
    return re.compile(rf"\b(?:{names})(?:ish|-colou?red|-tinted)?(?:[ -](?!ownthing|otherthing)\w+)?[ -]#$")


@lru_cache(64)
def _of_the_object(colour: str) -> re.Pattern[str]:
    names = "|".join(map(re.escape, kin(colour)))
    told = rf"(?:{names}) (?:ownthing|one|object|thing|item|surface|body|part|side|top|front|colou?r)"
    drawn = "border|frame|box|line|outline|rectangle|contour"
    return re.compile(rf"\b(?:{told}|(?:is|are|in|be|all|looks?|colou?r,?|it's) (?:{names}))\b(?! (?:{drawn}))")
