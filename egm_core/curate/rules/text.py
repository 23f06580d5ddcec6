"""A trace made plain for the checks: one spelling, and the words that are allowed put out of the way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from egm_core.curate.rules.facts import Facts
from egm_core.data.phrases import ARTICLE, head, noun, plain

# What stands for a thing of the scene once its words are out of the way: the one asked for, and another.
OWN, OTHER = "ownthing", "otherthing"


@dataclass(frozen=True)
class Plain:
    """A trace in small letters: `whole` with all its words, `masked` without those of things of the scene."""

    written: str
    whole: str
    masked: str


def sentences(text: str) -> list[str]:
    """Split a plain text at the ends of its sentences."""
    return [one for one in re.split(r"(?<=[.!?;])\s+", text) if one]


def prepared(trace: str, facts: Facts) -> Plain:
    """Make a trace plain, and put a word of its own in place of each thing of the scene.

    Whole phrases count, such as "the green box", and their nouns. A noun that is also a word for a drawing, such as
    box or frame, counts only where nothing beside it speaks of a drawing.
    """
    whole = plain(trace)
    masked = whole
    own = _phrases((facts.expression, facts.category))
    others = [phrase for phrase in _phrases((*facts.occluders, *facts.others)) if phrase not in own]
    # A thing that has the same noun as the one asked for is told from it by its whole phrase alone.
    for phrase in sorted({*own, *others}, key=len, reverse=True):
        masked = _pattern(phrase).sub(OWN if phrase in own else OTHER, masked)
    return Plain(trace, whole, masked)


@lru_cache(4096)
def _phrases(names: Iterable[str]) -> tuple[str, ...]:
    """Give whole phrases, their nouns with adjectives, and the nouns alone."""
    found: dict[str, None] = {}
    for name in names:
        bare = ARTICLE.sub("", plain(name)).strip(" .\"'")
        for phrase in (bare, noun(name), head(name)):
            if len(phrase) > 1:
                found[phrase] = None
    return tuple(found)


# Beside a noun these say that it is a drawing, whatever the scene has.
_DRAWING = (
    "bounding", "drawn", "given", "provided", "supplied", "marked", "annotated", "indicated", "specified", "displayed",
    "highlighted", "tight", "coloured", "colored", "enclosing", "surrounding", "target", "bright", "thin", "dashed",
    "neon", "truth",
)  # fmt: skip
_DRAWN_BEFORE = "".join(f"(?<!{word} )" for word in _DRAWING)
_DRAWN_AFTER = (
    r"(?! (?:drawn|around|enclosing|surrounding|tightly|snugly|that (?:surrounds|encloses|was drawn)|"
    r"(?:has been|have been|is|was|were) (?:drawn|placed|put|set) (?:over|around|round|about)))"
)


# Nouns that are words for a drawing, too.
_ALSO_DRAWN = frozenset(
    ("box", "frame", "rectangle", "square", "line", "ring", "circle", "mark", "marker", "label", "tag", "arrow", "sign",
     "outline", "border", "edge", "object", "region", "area", "shape", "bracket", "pointer", "highlight", "loop")
)  # fmt: skip
# Nouns that are verbs, too: a thing only after such a word.
_VERBS = frozenset(
    ("can", "will", "may", "must", "might", "stand", "light", "show", "watch", "saw", "train", "park", "plant")
)
_DETERMINED = (
    "(?:" + "|".join(f"(?<={word} )" for word in ("the", "a", "an", "this", "that", "its", "one", "other")) + ")"
)


def determined(phrase: str) -> str:
    """Give what has to stand before a noun that is a verb as well; nothing before any other."""
    return _DETERMINED if phrase in _VERBS else ""


@lru_cache(4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    inner = r"\s+".join(re.escape(word) for word in phrase.split())
    risky = phrase in _ALSO_DRAWN
    before, after = (_DRAWN_BEFORE, _DRAWN_AFTER) if risky else ("", "")
    before += determined(phrase)
    return re.compile(rf"(?<![\w-]){before}{inner}(?:'s|s|es)?(?!\w|'t)(?!-(?!like|shaped)\w){after}")
