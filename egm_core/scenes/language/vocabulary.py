"""The closed vocabulary of expressions and reasoning: every word that either may use.

A text outside it is foreign to a model that was trained on these worlds alone.
"""

from __future__ import annotations

from egm_core.scenes.truth import CATEGORIES, COLORS

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
RELATIONS = ("left of", "right of", "behind", "in front of", "on", "under", "next to")
EXTREMES = ("leftmost", "rightmost", "middle", "nearest", "farthest", "largest", "smallest")
SIZES = ("large", "small")
STATES = ("standing", "lying")
FURNITURE = ("arm", "pole", "truck")
ANYTHING = "object"
_PLURALS = {"person": "people"}
_TEMPLATES = (
    "the a and of those from between by partly hidden fully visible it them none no other "
    "hides hide its whole reaches left right top bottom up down part is"
)


def plural(noun: str) -> str:
    """Return the plural of a category's word."""
    irregular = _PLURALS.get(noun)
    if irregular is not None:
        return irregular
    return noun + ("es" if noun.endswith(("x", "s", "ch", "sh")) else "s")


def article(furniture: str) -> str:
    """Return the article of a piece of furniture: a scene has one arm and one truck, but many poles."""
    return "a" if furniture == "pole" else "the"


_NOUNS = (*(c for names in CATEGORIES.values() for c in names), ANYTHING)

VOCABULARY: frozenset[str] = frozenset(
    {
        *_NOUNS,
        *(plural(noun) for noun in _NOUNS),
        *COLORS,
        *ORDINALS,
        *(word for relation in RELATIONS for word in relation.split()),
        *EXTREMES,
        *SIZES,
        *STATES,
        *FURNITURE,
        *_TEMPLATES.split(),
    }
)
