"""The drawing that only the teacher saw, spoken of in any words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from egm_core.curate.colours import kin
from egm_core.curate.rules.evidence import drawings
from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.lexicon import groups
from egm_core.curate.rules.text import OTHER, OWN, Plain
from egm_core.data.phrases import head, plain, words

# Long words of a drawing, in which a slip of the pen is looked for.
_SPELT = (
    "rectangle", "bounding", "annotation", "annotated", "highlighted", "coordinates", "outlined", "rectangular",
    "groundtruth", "highlight", "encircled",
)  # fmt: skip


_GROUPS, _SHOWING = groups("drawing"), groups("showing")
_COLOURED = "in_the_colour_of_the_frame"
_KINDS = {
    "somebody_did_it": "says that somebody showed the object",
    "it_was_done": "says that the object was shown",
    "it_was_known": "says that the answer was known",
    "it_agrees_with_a_mark": "holds the object against a mark",
    _COLOURED: "has a mark in the colour of the drawn frame",
}
_RULES = tuple(
    (why, re.compile(_GROUPS[group]))
    for group, why in (
        ("always", "is a word for a drawing"),
        ("pictures", "speaks of a picture that only the teacher saw"),
        ("doing", "says that somebody showed the object"),
    )
)
_THE_FRAME = re.compile(r"\b(?:the|its|that) frame\b(?! (?:around|round|drawn))")
_SPEAKING = re.compile(_GROUPS["speaking"])
_FRAME_OF_A_THING = re.compile(_GROUPS["frame_of_a_thing"])
# Words of a finding that do not make it one.
_MUTE = frozenset((OWN, OTHER, "that", "this", "with", "around"))
# Things that a lamp lights: they are highlighted in the scene itself.
_LIT = frozenset(("window", "display", "showcase", "stage", "sign", "billboard", "screen", "text", "word", "facade"))


def check(trace: Plain, facts: Facts) -> Iterator[Finding]:
    """Find words that only somebody writes who saw the drawing."""
    text, framed = _FRAME_OF_A_THING.subn("somewhere", trace.masked)
    if head(facts.expression) in _LIT:
        text = text.replace("highlighted", "lit")
    if framed:
        # What is said of the frame after that is said of the thing's own.
        text = _THE_FRAME.sub("somewhere", text)
    # Brackets of the expression may be spoken of, as the rest of it.
    own = facts.expression.lower() + (" bracket" if re.search(r"[\[({]", facts.expression) else "")
    for why, pattern in _RULES:
        for found in pattern.finditer(text):
            if _own_words(found[0], own):
                continue
            yield Finding("drawing", found[0].strip(), why)
            break
    for said, why in _showings(text, facts.frame_colour):
        if not _own_words(said, own):
            yield Finding("drawing", said, why)
            break
    for said in drawings(text, facts.frame_colour, own):
        yield Finding("drawing", said, "speaks of a line or a shape on the picture")
        break
    if (speaking := _SPEAKING.search(trace.whole)) and not _own_words(speaking[0].split()[0], own):
        yield Finding("drawing", speaking[0], "lets a drawing say where the object is")
    if facts.frame_colour and (drawn := _coloured(facts.frame_colour).search(text)):
        yield Finding("drawing", drawn[0], f"names the colour of the drawn frame, {facts.frame_colour}")
    elif facts.frame_colour and (said := _drawn_thing(trace.whole, facts)):
        yield Finding("drawing", said, f"has a thing in the colour of the drawn frame, {facts.frame_colour}")
    for word in words(text):
        if len(word) > 6 and word not in _SPELT and any(_slip(word, right) for right in _SPELT):
            yield Finding("drawing", word, "is a slip of a word for a drawing")


def _showings(text: str, colour: str) -> Iterator[tuple[str, str]]:
    """Give words of a masked trace that speak of what was shown to its writer, with the kind of meaning."""
    for kind, why in _KINDS.items():
        if kind == _COLOURED and not colour:
            continue
        for found in _kind(kind, colour).finditer(text):
            yield found[0].strip(), why


@lru_cache(256)
def _kind(kind: str, colour: str) -> re.Pattern[str]:
    """Compile a kind's patterns; those that name the frame's colour need it."""
    if "COLOUR" not in _SHOWING[kind]:
        return re.compile(_SHOWING[kind]) if not colour else _kind(kind, "")
    names = "|".join(map(re.escape, kin(colour))) if colour else "(?!)"
    return re.compile(_SHOWING[kind].replace("COLOUR", f"(?:{names})"))


def _own_words(said: str, own: str) -> bool:
    """Tell whether the words that tell are the expression's own, articles left aside."""
    telling = [word for word in words(said) if len(word) > 3 and word not in _MUTE]
    return bool(telling) and all(re.search(rf"\b{re.escape(word)}", own) for word in telling)


@lru_cache(64)
def _coloured(colour: str) -> re.Pattern[str]:
    names = "|".join(map(re.escape, kin(colour)))
    return re.compile(_GROUPS["coloured"].replace("COLOUR", f"(?:{names})"))


def _drawn_thing(text: str, facts: Facts) -> str:
    """Give words such as "green box" where a scene has a box, and none of that colour."""
    known = plain(" ".join((facts.expression, facts.category, *facts.occluders, *facts.others)))
    names = "|".join(map(re.escape, kin(facts.frame_colour)))
    found = re.search(rf"\b(?:{names}) (?:box|frame|rectangle|square|outline|border|lines?)\b", text)
    return found[0] if found and found[0] not in known else ""


def _stem(word: str) -> str:
    return re.sub(r"(?:ing|ers?|ed|es|e|s|d)$", "", word)


def _slip(word: str, right: str) -> bool:
    """Tell whether a word differs from the right one by a letter too many, too few, changed, or two swapped."""
    if _stem(word) == _stem(right) or abs(len(word) - len(right)) > 1 or word[0] != right[0]:
        return False
    start = next((at for at, (a, b) in enumerate(zip(word, right, strict=False)) if a != b), min(len(word), len(right)))
    left, wanted = word[start:], right[start:]
    if wanted in (left + "s", left + "d") or left in (wanted + "s", wanted + "d", wanted + "ed", wanted + "er"):
        return False
    swapped = len(left) > 1 and len(wanted) > 1 and left[:2] == wanted[1::-1] and left[2:] == wanted[2:]
    return swapped or left[1:] == wanted or left == wanted[1:] or left[1:] == wanted[1:]
