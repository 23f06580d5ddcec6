"""Which objects of a scene a form means, by measured margins: what is not clear is not claimed.

A form with an object in the margin between fitting and not fitting is ambiguous. `judge` can also read loosely,
as a careless listener would: an expression for something absent must fit nothing even then.
"""

from __future__ import annotations

from egm_core.scenes.language.facts import Facts, members
from egm_core.scenes.language.forms import (
    Between,
    Extreme,
    Form,
    Furniture,
    Hidden,
    Noun,
    Ordinal,
    Related,
    Sized,
    Unhidden,
)
from egm_core.scenes.truth import Scene

CONFUSABLE_COLORS = (("red", "orange"), ("orange", "yellow"), ("blue", "purple"))
CONFUSABLE_CATEGORIES = (("book", "notebook"), ("car", "van"))


class AmbiguousError(ValueError):
    """The scene doesn't say clearly which objects a form means."""


def judge(facts: Facts, form: Form, loose: bool = False) -> tuple[int, int]:
    """Return the bit masks of the objects that fit a form and of those that may fit.

    A failed presupposition (an anchor that isn't one clear object, an extreme of a single object) makes every
    object doubtful. `loose` widens doubt to what a careless listener would accept.
    """
    match form:
        case Noun():
            return _judge_noun(facts, form, loose)
        case Extreme(head, which):
            certain, doubtful = judge(facts, head, loose)
            if doubtful or not certain:
                return 0, certain | doubtful
            best = facts.extreme(certain, which)
            return (0, certain) if best is None else (1 << best, 0)
        case Ordinal(head, rank, side):
            certain, doubtful = judge(facts, head, loose)
            if rank > (certain | doubtful).bit_count():
                return 0, 0
            order = None if doubtful else facts.by_side(certain)
            if order is None:
                return 0, certain | doubtful
            return 1 << order[rank - 1 if side == "left" else -rank], 0
        case Sized(head, size):
            certain, doubtful = judge(facts, head, loose)
            return (0, certain | doubtful) if doubtful or not certain else facts.sized(certain, size)
        case Related(head, relation, anchor) if isinstance(anchor, Furniture):
            if relation != "behind":
                raise ValueError(f"furniture is an anchor of 'behind' only, not of {relation!r}")
            return _judge_hidden(facts, judge(facts, head, loose), facts.occluded_by.get(anchor.word, 0))
        case Related(head, relation, anchor) if not isinstance(anchor, Furniture):
            return _judge_related(facts, judge(facts, head, loose), relation, anchor, loose)
        case Between(head, first, second):
            certain, doubtful = judge(facts, head, loose)
            a, b = single(facts, first), single(facts, second)
            if a is None or b is None or a == b:
                return 0, facts.everything
            inside, maybe = facts.between(certain | doubtful, a, b)
            return inside & certain, maybe | (inside & doubtful)
        case Hidden(head, None):
            certain, doubtful = judge(facts, head, loose)
            unclear = ~(facts.hidden | facts.unhidden)
            return certain & facts.hidden, (certain & unclear) | (doubtful & ~facts.unhidden)
        case Hidden(head, by) if by is not None:
            if isinstance(by, Furniture):
                return _judge_hidden(facts, judge(facts, head, loose), facts.occluded_by.get(by.word, 0))
            index = single(facts, by)
            if index is None:
                return 0, facts.everything
            heads = judge(facts, head, loose)
            apart = ~(1 << index)
            return _judge_hidden(
                facts, (heads[0] & apart, heads[1] & apart), facts.occluded_by.get(f"object:{index}", 0)
            )
        case Unhidden(head):
            certain, doubtful = judge(facts, head, loose)
            unclear = ~(facts.hidden | facts.unhidden)
            return certain & facts.unhidden, (certain & unclear) | (doubtful & ~facts.hidden)
    raise TypeError(f"not a form: {form!r}")


def _judge_noun(facts: Facts, form: Noun, loose: bool) -> tuple[int, int]:
    certain = wide = facts.everything
    for value, table, pairs in (
        (form.category, facts.categories, CONFUSABLE_CATEGORIES),
        (form.color, facts.colors, CONFUSABLE_COLORS),
        (form.state or None, facts.states, ()),
    ):
        if value is None:
            continue
        exact = table.get(value, 0)
        certain &= exact
        if loose:
            for pair in pairs:
                if value in pair:
                    exact |= table.get(pair[0], 0) | table.get(pair[1], 0)
        wide &= exact
    return certain, wide & ~certain


def _judge_hidden(facts: Facts, heads: tuple[int, int], covered: int) -> tuple[int, int]:
    certain, doubtful = heads
    return certain & covered & facts.slightly_hidden, (
        (certain & covered & ~facts.slightly_hidden) | (doubtful & covered)
    )


def _judge_related(facts: Facts, heads: tuple[int, int], relation: str, anchor: Form, loose: bool) -> tuple[int, int]:
    index = single(facts, anchor)
    if index is None:
        return 0, facts.everything
    certain, doubtful = heads
    if relation == "next to":
        if not doubtful:
            return facts.next_to(certain, index)
        near, maybe = facts.next_to(certain | doubtful, index)
        return 0, near | maybe
    table = facts.relations[relation]
    unclear = table.loose[index] | table.doubtful[index] if loose else table.doubtful[index]
    fitting = table.certain[index]
    return certain & fitting, (certain & unclear) | (doubtful & (fitting | unclear))


def single(facts: Facts, form: Form) -> int | None:
    """Return the one object that a form clearly means, else None."""
    certain, doubtful = judge(facts, form)
    if doubtful or certain.bit_count() != 1:
        return None
    return certain.bit_length() - 1


def resolve(scene: Scene | Facts, form: Form) -> frozenset[int]:
    """Return the indices of the objects that a form means; empty where there is none.

    Raises AmbiguousError where an object lies within a margin, or where an anchor isn't one clear object.
    """
    facts = scene if isinstance(scene, Facts) else Facts(scene)
    certain, doubtful = judge(facts, form)
    if doubtful:
        raise AmbiguousError(f"{form!r} is ambiguous: objects {members(doubtful)} may or may not fit")
    return frozenset(members(certain))


def nothing_like(scene: Scene | Facts, form: Form) -> bool:
    """Say whether a form fits no object of the scene, even read loosely."""
    facts = scene if isinstance(scene, Facts) else Facts(scene)
    return judge(facts, form, loose=True) == (0, 0)
