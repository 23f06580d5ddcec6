"""What a referring expression means, as a small tree, and how it is said.

A form names no object: `egm_core.scenes.language.semantics` finds the objects that fit it, `phrase` says it in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from egm_core.scenes.language.vocabulary import ANYTHING, ORDINALS, article

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Noun:
    """Objects of a category, a colour or a state; None and "" leave the choice open."""

    category: str | None
    color: str | None = None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Furniture:
    """Something that occludes and is never asked for: the arm, a pole, the truck."""

    word: str


@dataclass(frozen=True, slots=True)
class Extreme:
    """The one of `head` at an end: leftmost, rightmost, middle, nearest, farthest, largest, smallest."""

    head: Form
    which: str


@dataclass(frozen=True, slots=True)
class Ordinal:
    """The `rank`-th (from 1) of `head`, counted from one side of the image."""

    head: Form
    rank: int
    side: Side


@dataclass(frozen=True, slots=True)
class Sized:
    """The large (or small) one where the others of `head` are small (or large)."""

    head: Form
    size: str


@dataclass(frozen=True, slots=True)
class Related:
    """Those of `head` that stand in a relation to the one object that `anchor` means."""

    head: Form
    relation: str
    anchor: Form | Furniture


@dataclass(frozen=True, slots=True)
class Between:
    """Those of `head` between the objects that `first` and `second` mean."""

    head: Form
    first: Form
    second: Form


@dataclass(frozen=True, slots=True)
class Hidden:
    """Those of `head` that are partly hidden, by anything (None) or by what `by` means."""

    head: Form
    by: Form | Furniture | None = None


@dataclass(frozen=True, slots=True)
class Unhidden:
    """Those of `head` that nothing hides."""

    head: Form


Form: TypeAlias = Noun | Extreme | Ordinal | Sized | Related | Between | Hidden | Unhidden


def phrase(form: Form | Furniture) -> str:
    """Say a form as a noun phrase in lower case, with its article and no full stop."""
    if isinstance(form, Furniture):
        return f"{article(form.word)} {form.word}"
    return f"the {description(form)}"


def description(form: Form) -> str:
    """Say a form without its article."""
    match form:
        case Noun(category, color, state):
            return " ".join(word for word in (state, color, category or ANYTHING) if word)
        case Extreme(head, which):
            return f"{which} {description(head)}"
        case Ordinal(Related(head, relation, anchor), rank, side):
            return f"{ORDINALS[rank - 1]} {description(head)} from the {side} of those {relation} {phrase(anchor)}"
        case Ordinal(head, rank, side):
            return f"{ORDINALS[rank - 1]} {description(head)} from the {side}"
        case Sized(head, size):
            return f"{size} {description(head)}"
        case Related(head, relation, anchor):
            return f"{description(head)} {relation} {phrase(anchor)}"
        case Between(head, first, second):
            return f"{description(head)} between {phrase(first)} and {phrase(second)}"
        case Hidden(head, None):
            return f"partly hidden {description(head)}"
        case Hidden(head, by) if by is not None:
            return f"{description(head)} partly hidden by {phrase(by)}"
        case Unhidden(head):
            return f"fully visible {description(head)}"
    raise TypeError(f"not a form: {form!r}")


def noun(form: Form) -> Noun:
    """Return the noun at the root of a form: what kind of object it asks for."""
    while not isinstance(form, Noun):
        form = form.head
    return form
