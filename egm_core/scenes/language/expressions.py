"""Referring expressions for a scene, in RefCOCO's style, each proved to fit exactly one object or none.

`expressions` gives every one that the scene allows, `choose` draws from them in the fixed mix that models are
trained and scored on. Neither needs more of a scene than its objects' truth; nothing here renders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import iou
from egm_core.scenes.language.drafts import KINDS, Draft, Kind, drafts, far_misses, near_misses
from egm_core.scenes.language.facts import Facts
from egm_core.scenes.language.forms import Form, noun, phrase
from egm_core.scenes.language.reasoning import explain, explain_whole
from egm_core.scenes.language.semantics import nothing_like, resolve
from egm_core.scenes.language.vocabulary import VOCABULARY
from egm_core.scenes.truth import Scene

__all__ = ["KINDS", "MIX", "VOCABULARY", "Expression", "Kind", "choose", "expressions"]

MIX: Mapping[Kind, float] = MappingProxyType(
    {
        "attribute": 0.24,
        "ordinal": 0.17,
        "relation": 0.20,
        "size": 0.03,
        "occlusion": 0.08,
        "two_step": 0.13,
        "absent": 0.15,
    }
)
EAGERNESS: Mapping[Kind, float] = MappingProxyType({"attribute": 1.15, "relation": 1.2, "size": 2.5, "occlusion": 1.25})
NEAR_MISSES = 0.5
DISTRACTOR_WEIGHT = 4.0
HIDDEN_WEIGHTS = ((0.5, 12.0), (0.8, 3.0))
VARIETY_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {"color": 4.0, "rank": 2.0, "any": 0.5, "home category": 2.0, "home color": 3.0, "home relation": 2.0}
    | {"abroad category": 0.4, "abroad color": 0.4, "relation": 3.0, "left of": 2.0, "right of": 2.0, "next to": 0.6}
)


@dataclass(frozen=True)
class Expression:
    """A referring expression with its object, its reasoning and its meaning.

    `target` is an object's index, None for absent. `near_miss`: absent although the category is there.
    `distractor`: another object of the target's category is there. `mentions` (and `amodal_mentions`) give the
    object index of each point `(x,y)` in the reasoning, in order. `form` is what the text means, for
    `egm_core.scenes.language.semantics.resolve`.
    """

    text: str
    kind: Kind
    target: int | None
    near_miss: bool
    distractor: bool
    reasoning: str
    amodal_reasoning: str
    mentions: tuple[int, ...]
    amodal_mentions: tuple[int, ...]
    form: Form


def expressions(scene: Scene) -> list[Expression]:
    """Return every expression that clearly singles out one object of a scene, without the absent ones."""
    facts = Facts(scene)
    return [made for draft in _distinct(drafts(facts)) if (made := _finished(facts, draft)) is not None]


def absents(scene: Scene) -> list[Expression]:
    """Return every expression that fits nothing in a scene, even read loosely: near misses first."""
    facts = Facts(scene)
    found = _distinct([*near_misses(facts), *far_misses(facts)])
    return [made for draft in found if (made := _finished(facts, draft)) is not None]


def choose(scene: Scene, rng: np.random.Generator, n: int, mix: Mapping[Kind, float] = MIX) -> list[Expression]:
    """Draw `n` different expressions of a scene in the given mix of kinds; fewer where it allows no more.

    Kinds that the scene doesn't allow leave their share to the others, except to `absent`; those that few scenes
    allow are drawn more eagerly where they can be. Objects with a distractor of their category, and objects
    whose amodal box differs from the visible one, are preferred.
    """
    facts = Facts(scene)
    pools = _pools(facts, mix)
    eager = {kind: mix[kind] * EAGERNESS.get(kind, 1.0) for kind in KINDS if mix.get(kind, 0.0) > 0}
    absent_share = mix.get("absent", 0.0) / sum(mix.values())
    chosen: dict[str, Expression] = {}
    for absent in rng.random(n) < absent_share:
        wanted = len(chosen) + 1
        while len(chosen) < wanted and pools:
            present = [kind for kind in pools if kind != "absent"]
            if "absent" in pools and (absent or not present):
                kind: Kind = "absent"
            else:
                kind = present[_drawn(rng, np.array([eager[k] for k in present]))]
            draft = pools[kind].draw(rng)
            if draft is None:
                del pools[kind]
                absent = False
            elif (made := _finished(facts, draft)) is not None:
                chosen.setdefault(made.text, made)
    return list(chosen.values())


class _Pool:
    """Drafts of one kind, drawn one after the other by weight."""

    def __init__(self, found: list[Draft], weights: NDArray[np.float64]) -> None:
        self.found, self.weights = found, weights

    def draw(self, rng: np.random.Generator) -> Draft | None:
        if not self.weights.any():
            return None
        index = _drawn(rng, self.weights)
        self.weights[index] = 0.0
        return self.found[index]


class _AbsentPool(_Pool):
    """Absent drafts: near and far misses by turns of a coin, each made only when asked for."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.sides: dict[bool, _Pool] = {}

    def draw(self, rng: np.random.Generator) -> Draft | None:
        near = bool(rng.random() < NEAR_MISSES)
        for side in (near, not near):
            if side not in self.sides:
                found = list(near_misses(self.facts) if side else far_misses(self.facts))
                self.sides[side] = _Pool(found, _balance(found, None))
            draft = self.sides[side].draw(rng)
            if draft is not None:
                return draft
        return None


def _pools(facts: Facts, mix: Mapping[Kind, float]) -> dict[Kind, _Pool]:
    by_kind: dict[Kind, list[Draft]] = {}
    for draft in drafts(facts):
        by_kind.setdefault(draft.kind, []).append(draft)
    interest = _interest(facts)
    pools: dict[Kind, _Pool] = {
        kind: _Pool(found, _balance(found, interest)) for kind, found in by_kind.items() if mix.get(kind, 0.0) > 0
    }
    if mix.get("absent", 0.0) > 0:
        pools["absent"] = _AbsentPool(facts)
    return pools


def _interest(facts: Facts) -> list[float]:
    """Weigh each object: distractors of its category and a hidden part make it more worth asking for."""
    overlaps = iou([o.visible for o in facts.objects], [o.amodal for o in facts.objects]).tolist()
    weights = []
    for thing, overlap in zip(facts.objects, overlaps, strict=True):
        weight = DISTRACTOR_WEIGHT if facts.categories[thing.category].bit_count() > 1 else 1.0
        weights.append(weight * next((w for bound, w in HIDDEN_WEIGHTS if overlap < bound), 1.0))
    return weights


def _balance(found: list[Draft], interest: list[float] | None) -> NDArray[np.float64]:
    """Weigh drafts so that varieties and objects count, not how many ways there are to say them."""
    count: dict[tuple[str, int | None], int] = {}
    for draft in found:
        key = (draft.variety, draft.target)
        count[key] = count.get(key, 0) + 1
    return np.array(
        [
            VARIETY_WEIGHTS.get(draft.variety, 1.0)
            / count[draft.variety, draft.target]
            * (1.0 if interest is None or draft.target is None else interest[draft.target])
            for draft in found
        ]
    )


def _drawn(rng: np.random.Generator, weights: NDArray[np.float64]) -> int:
    total = np.cumsum(weights)
    return min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(weights) - 1)


def _distinct(found: Iterable[Draft]) -> list[Draft]:
    by_text: dict[str, Draft] = {}
    for draft in found:
        by_text.setdefault(phrase(draft.form), draft)
    return list(by_text.values())


def _finished(facts: Facts, draft: Draft) -> Expression | None:
    """Prove a draft by the semantics, and say it; None where the proof fails."""
    if draft.target is None:
        if not nothing_like(facts, draft.form):
            return None
    elif resolve(facts, draft.form) != {draft.target}:
        return None
    reasoning, mentions = explain(facts, draft.form)
    category = noun(draft.form).category
    if draft.target is None:
        there = category in facts.categories
        return Expression(
            phrase(draft.form), draft.kind, None, there, False, reasoning, reasoning, mentions, mentions, draft.form
        )
    amodal_reasoning, amodal_mentions = explain_whole(facts, draft.target, reasoning, mentions)
    rivals = facts.categories[facts.objects[draft.target].category].bit_count() > 1
    return Expression(
        phrase(draft.form), draft.kind, draft.target, False, rivals,
        reasoning, amodal_reasoning, mentions, amodal_mentions, draft.form,
    )  # fmt: skip
