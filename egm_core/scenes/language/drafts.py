"""Every form worth saying about a scene: those that single out one object, and those that fit nothing.

Forms are made from what is in the scene and kept where `egm_core.scenes.language.semantics` finds exactly one clear
object (or, for absents, none even when read loosely).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from egm_core.scenes.language.facts import Facts
from egm_core.scenes.language.forms import (
    Between,
    Extreme,
    Form,
    Furniture,
    Hidden,
    Noun,
    Ordinal,
    Related,
    Side,
    Sized,
    Unhidden,
    noun,
)
from egm_core.scenes.language.semantics import CONFUSABLE_CATEGORIES, judge, nothing_like
from egm_core.scenes.language.vocabulary import RELATIONS
from egm_core.scenes.truth import CATEGORIES, COLORS

Kind = Literal["attribute", "ordinal", "relation", "size", "occlusion", "two_step", "absent"]
KINDS: tuple[Kind, ...] = ("attribute", "ordinal", "relation", "size", "occlusion", "two_step", "absent")
SIDES: tuple[Side, Side] = ("left", "right")
SUPPORTS = ("box", "book", "notebook")
BEHIND_FURNITURE = ("truck", "pole")
COMPLEX_ANCHORS = 3
MAX_RANK = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """A form that singles out `target` (None: fits nothing), with its kind and variety (for a balanced choice)."""

    kind: Kind
    variety: str
    target: int | None
    form: Form


def _one(mask: int) -> int:
    return mask.bit_length() - 1


def _is_one(mask: int) -> bool:
    return mask != 0 and mask & (mask - 1) == 0


class Nouns:
    """The nouns of a scene with the sets of objects that they mean."""

    def __init__(self, facts: Facts) -> None:
        self.colored: list[tuple[Noun, int]] = []
        for category, mask in facts.categories.items():
            for color, same in facts.colors.items():
                if mask & same:
                    self.colored.append((Noun(category, color), mask & same))
        self.bare = [(Noun(category), mask) for category, mask in facts.categories.items()]
        self.plural = [(form, mask) for form, mask in (*self.bare, *self.colored) if not _is_one(mask)]
        self.anchors: list[tuple[Form, int]] = [
            (form, _one(mask)) for form, mask in (*self.bare, *self.colored) if _is_one(mask)
        ]
        shortest: dict[int, Form] = {}
        for form, index in self.anchors:
            shortest.setdefault(index, form)
        self.short_anchors = [(form, index) for index, form in shortest.items()]


def drafts(facts: Facts) -> list[Draft]:
    """Return the forms that single out one object of the scene; two-step ones in a bounded number."""
    nouns = Nouns(facts)
    found = [*_attributes(facts, nouns), *_ordinals(facts, nouns), *_sizes(facts, nouns)]
    found += _relations(facts, nouns)
    found += _occlusions(facts, nouns)
    found += _two_steps(facts, nouns, found)
    return found


def _attributes(facts: Facts, nouns: Nouns) -> Iterator[Draft]:
    for form, mask in nouns.colored:
        if _is_one(mask):
            yield Draft("attribute", "color", _one(mask), form)
    for form, mask in nouns.bare:
        if _is_one(mask):
            yield Draft("attribute", "category", _one(mask), form)
        elif len(facts.states) > 1:
            for state, same in facts.states.items():
                if _is_one(mask & same) and mask & ~same:
                    yield Draft("attribute", "state", _one(mask & same), Noun(form.category, state=state))
    for color, mask in facts.colors.items():
        if _is_one(mask):
            yield Draft("attribute", "any", _one(mask), Noun(None, color))


def _ordinals(facts: Facts, nouns: Nouns) -> Iterator[Draft]:
    for head, mask in nouns.plural:
        for which in ("leftmost", "rightmost", "middle", "nearest", "farthest"):
            best = facts.extreme(mask, which)
            if best is not None:
                variety = "side" if which.endswith("most") else "depth" if which != "middle" else "rank"
                yield Draft("ordinal", variety, best, Extreme(head, which))
        order = facts.by_side(mask)
        if order is None:
            continue
        for rank, left in enumerate(order[:MAX_RANK], 1):
            yield Draft("ordinal", "rank", left, Ordinal(head, rank, "left"))
            yield Draft("ordinal", "rank", order[-rank], Ordinal(head, rank, "right"))


def _sizes(facts: Facts, nouns: Nouns) -> Iterator[Draft]:
    for head, mask in nouns.plural:
        for which in ("largest", "smallest"):
            best = facts.extreme(mask, which)
            if best is not None:
                yield Draft("size", which, best, Extreme(head, which))
        for size in ("large", "small"):
            fitting, unclear = facts.sized(mask, size)
            if not unclear and _is_one(fitting):
                yield Draft("size", size, _one(fitting), Sized(head, size))


def _related(facts: Facts, mask: int, relation: str, anchor: int) -> tuple[int, int]:
    """Give the certain and the doubtful of `mask` in a relation to an anchor, as `judge` would."""
    mask &= ~(1 << anchor)
    if relation == "next to":
        return facts.next_to(mask, anchor)
    table = facts.relations[relation]
    return mask & table.certain[anchor], mask & table.doubtful[anchor]


def _relations(facts: Facts, nouns: Nouns) -> Iterator[Draft]:
    heads = [*nouns.bare, *((form, mask) for form, mask in nouns.colored if not _is_one(mask))]
    for anchor, index in nouns.anchors:
        for head, mask in heads:
            if not mask & ~(1 << index):
                continue
            for relation in RELATIONS:
                fitting, unclear = _related(facts, mask, relation, index)
                if not unclear and _is_one(fitting):
                    yield Draft("relation", relation, _one(fitting), Related(head, relation, anchor))
    for (first, a), (second, b) in combinations(nouns.short_anchors, 2):
        for head, mask in heads:
            if _is_one(mask):
                continue
            fitting, unclear = facts.between(mask, a, b)
            if not unclear and _is_one(fitting):
                yield Draft("relation", "between", _one(fitting), Between(head, first, second))


def _occlusions(facts: Facts, nouns: Nouns) -> Iterator[Draft]:
    furniture = [word for word in facts.occluded_by if not word.startswith("object:")]
    for head, mask in (*nouns.bare, *nouns.plural):
        forms: list[tuple[str, Form]] = []
        if not _is_one(mask):
            forms += [("hidden", Hidden(head)), ("unhidden", Unhidden(head))]
        for word in furniture:
            forms.append((word, Hidden(head, Furniture(word))))
            if word in BEHIND_FURNITURE:
                forms.append((word, Related(head, "behind", Furniture(word))))
        for anchor, index in nouns.anchors:
            if facts.occluded_by.get(f"object:{index}", 0) & mask:
                forms.append(("object", Hidden(head, anchor)))
        for variety, form in forms:
            fitting, unclear = judge(facts, form)
            if not unclear and _is_one(fitting):
                yield Draft("occlusion", variety, _one(fitting), form)


def _two_steps(facts: Facts, nouns: Nouns, simple: list[Draft]) -> Iterator[Draft]:
    plain = {_one(mask) for _, mask in nouns.bare if _is_one(mask)}
    anchors: dict[int, dict[str, Form]] = {}
    for draft in simple:
        if draft.kind in ("ordinal", "relation", "size") or draft.variety == "hidden":
            if draft.target is None or draft.target in plain or draft.variety == "between":
                continue
            known = anchors.setdefault(draft.target, {})
            if len(known) < COMPLEX_ANCHORS:
                known.setdefault(draft.kind, draft.form)
    for index, forms in anchors.items():
        for head, mask in nouns.bare:
            if not mask & ~(1 << index):
                continue
            for relation in RELATIONS:
                fitting, unclear = _related(facts, mask, relation, index)
                if unclear or not _is_one(fitting):
                    continue
                for kind, anchor in forms.items():
                    if isinstance(anchor, Related) and _mentions(facts, anchor.anchor, _one(fitting)):
                        continue
                    yield Draft("two_step", kind, _one(fitting), Related(head, relation, anchor))
    for anchor, index in nouns.short_anchors:
        for head, mask in nouns.bare:
            for relation in ("left of", "right of", "behind", "in front of"):
                fitting, unclear = _related(facts, mask, relation, index)
                if unclear or _is_one(fitting) or not fitting:
                    continue
                inner = Related(head, relation, anchor)
                for which in ("leftmost", "rightmost", "nearest", "farthest"):
                    best = facts.extreme(fitting, which)
                    if best is not None:
                        yield Draft("two_step", "extreme", best, Extreme(inner, which))
                order = facts.by_side(fitting)
                for rank in range(2, min(len(order or ()), MAX_RANK) + 1):
                    for side in SIDES:
                        best = (order or [])[rank - 1 if side == "left" else -rank]
                        yield Draft("two_step", "rank", best, Ordinal(inner, rank, side))


def _mentions(facts: Facts, anchor: Form | Furniture, index: int) -> bool:
    """Say whether an anchor is the object itself ("the mug left of the box behind the mug")."""
    return not isinstance(anchor, Furniture) and judge(facts, anchor)[0] == 1 << index


def _sensible(head: Form, anchor: Form) -> Iterator[str]:
    """Yield the relations that could hold: a box may carry a mug, a car carries nothing."""
    for relation in RELATIONS:
        lower = {"on": anchor, "under": head}.get(relation)
        if lower is None or noun(lower).category in SUPPORTS:
            yield relation


def near_misses(facts: Facts) -> Iterator[Draft]:
    """Yield forms that fit nothing although their category is in the scene and their anchors exist."""
    nouns = Nouns(facts)
    tries: list[tuple[str, Form]] = [
        ("color", Noun(category, color))
        for category, mask in facts.categories.items()
        for color in COLORS
        if not facts.colors.get(color, 0) & mask
    ]
    stateful = 0
    for mask in facts.states.values():
        stateful |= mask
    for head, mask in nouns.bare:
        for anchor, index in nouns.short_anchors:
            if mask & ~(1 << index):
                tries += [("relation", Related(head, relation, anchor)) for relation in _sensible(head, anchor)]
        if not mask & ~stateful:
            tries += [("state", Noun(head.category, state=s)) for s, same in facts.states.items() if not same & mask]
        count = mask.bit_count()
        if 1 < count < MAX_RANK:
            tries += [("rank", Ordinal(head, count + 1, side)) for side in SIDES]
        tries.append(("occlusion", Hidden(head)))
        for word in facts.occluded_by:
            if not word.startswith("object:"):
                tries.append(("occlusion", Hidden(head, Furniture(word))))
    for head, _ in nouns.plural:
        for which in ("leftmost", "rightmost"):
            outer = Extreme(head, which)
            tries += [
                ("two_step", Related(other, relation, outer))
                for other, _ in nouns.bare
                if other.category != head.category
                for relation in ("left of", "right of", "behind", "in front of")
            ]
    for variety, form in tries:
        if nothing_like(facts, form):
            yield Draft("absent", variety, None, form)


def far_misses(facts: Facts) -> Iterator[Draft]:
    """Yield forms whose category is not in the scene at all: of its own world, and a few of others."""
    nouns = Nouns(facts)
    here = CATEGORIES[facts.scene.world]
    elsewhere = [c for world, names in CATEGORIES.items() if world != facts.scene.world for c in names[:2]]
    for category in (*here, *elsewhere):
        rivals = {c for pair in CONFUSABLE_CATEGORIES if category in pair for c in pair}
        if category in facts.categories or rivals & facts.categories.keys():
            continue
        head = Noun(category)
        origin = "home" if category in here else "abroad"
        yield Draft("absent", f"{origin} category", None, head)
        for color in COLORS:
            yield Draft("absent", f"{origin} color", None, Noun(category, color))
        if category not in here:
            continue
        for which in ("leftmost", "rightmost", "nearest"):
            yield Draft("absent", "home ordinal", None, Extreme(head, which))
        for side in SIDES:
            yield Draft("absent", "home ordinal", None, Ordinal(head, 2, side))
        for anchor, _ in nouns.short_anchors:
            for relation in _sensible(head, anchor):
                yield Draft("absent", "home relation", None, Related(head, relation, anchor))
