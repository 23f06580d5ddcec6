"""The short reasoning that leads from an expression to its object, one crisp template for each step.

Anchors come first, then the candidates from left to right as points `(x,y)` (centre of the visible box in
thousandths of the image), each followed by what is read off there (`(x,y) red`: a word written before its point
would be a guess), then the conclusion, whose point is the last one. For amodal questions a sentence
says what hides the object, another roughly how far the whole of it reaches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

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
    phrase,
)
from egm_core.scenes.language.semantics import judge
from egm_core.scenes.language.vocabulary import ANYTHING, ORDINALS, article, plural

REACH = 6
UNIT_REACH = 10
Label = Literal["color", "state", "size", "hiding"]


@dataclass
class _Trace:
    """Sentences so far, and the object of each point in them."""

    facts: Facts
    sentences: list[str] = field(default_factory=list)
    mentions: list[int] = field(default_factory=list)

    def point(self, index: int) -> str:
        self.mentions.append(index)
        x, y = self.facts.points[index]
        return f"({x},{y})"

    def say(self, lead: str, objects: list[int], labels: list[str] | None = None) -> None:
        """Add `Lead: (x,y) label, (x,y) label.`"""
        if labels is None:
            items = [self.point(i) for i in objects]
        else:
            items = [f"{self.point(i)} {label}" for label, i in zip(labels, objects, strict=True)]
        self.sentences.append(f"{lead[0].upper()}{lead[1:]}: {', '.join(items)}.")

    def conclude(self, lead: str, objects: list[int]) -> list[int]:
        """Add the conclusion, or that none is so."""
        if objects:
            self.say(lead, objects)
        else:
            self.sentences.append(f"None is {lead}.")
        return objects


def explain(facts: Facts, form: Form) -> tuple[str, tuple[int, ...]]:
    """Return the reasoning for a visible-box question, and the object index of each of its points."""
    trace = _Trace(facts)
    if isinstance(form, Noun) and form.category is not None and (form.color is not None or form.state):
        _attribute(trace, form)
    else:
        _follow(trace, form)
    return " ".join(trace.sentences), tuple(trace.mentions)


def explain_whole(facts: Facts, target: int, reasoning: str, mentions: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return the reasoning for an amodal-box question: `reasoning`, what hides the target, how far it reaches."""
    trace = _Trace(facts)
    thing = facts.objects[target]
    scale = (1000 / facts.scene.width, 1000 / facts.scene.height) * 2
    shown, whole = ([v * s for v, s in zip(b, scale, strict=True)] for b in (thing.visible, thing.amodal))
    reach = {
        "left": round(shown[0]) - round(whole[0]),
        "right": round(whole[2]) - round(shown[2]),
        "up": round(shown[1]) - round(whole[1]),
        "down": round(whole[3]) - round(shown[3]),
    }
    reach = {way: amount for way, amount in reach.items() if amount >= REACH}
    if not reach and not thing.occluders:
        trace.sentences.append("It is fully visible.")
    else:
        sides = _join([{"up": "top", "down": "bottom"}.get(way, way) for way in reach])
        if thing.occluders:
            subjects = _join([_occluder(trace, word) for word in thing.occluders[:2]])
            verb = "hide" if len(thing.occluders) > 1 else "hides"
            what = f"its {sides}" if sides else "a part of it"
            trace.sentences.append(f"{subjects[0].upper()}{subjects[1:]} {verb} {what}.")
        else:
            trace.sentences.append(f"Its {sides} is hidden.")
        if reach:
            amounts = _join([f"{way} by {rough(amount)}" for way, amount in reach.items()])
            trace.sentences.append(f"The whole {thing.category} reaches {amounts}.")
    return " ".join([reasoning, *trace.sentences]), (*mentions, *trace.mentions)


def rough(amount: float) -> int:
    """Round an extent to the nearest of 10, 20, 40, ... (5 below), by its ratio to them.

    Small extents are so much more frequent that the likeliest exact number is nearly always the smallest one: a model
    that was taught exact numbers said a sixth of the true extent (median) and drew its boxes accordingly. Given the
    true extents, rounded or not, it had 0.87 of the half-hidden objects nearer to their amodal truth instead of 0.68.
    """
    return round(math.ldexp(UNIT_REACH, max(-1, round(math.log2(amount / UNIT_REACH)))))


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _occluder(trace: _Trace, word: str) -> str:
    if not word.startswith("object:"):
        return f"{article(word)} {word}"
    index = int(word[7:])
    thing = trace.facts.objects[index]
    return f"the {thing.color} {thing.category} {trace.point(index)}"


def _attribute(trace: _Trace, form: Noun) -> None:
    """All of the category with their colours (or states), then the one asked for."""
    facts = trace.facts
    same = facts.left_to_right(facts.categories.get(form.category or "", 0))
    word = form.category or ANYTHING
    if not same:
        trace.sentences.append(f"No {word}.")
        return
    trace.say(plural(word) if len(same) > 1 else word, same, labels(facts, same, "color" if form.color else "state"))
    asked = " ".join(w for w in (form.state, form.color) if w)
    trace.conclude(asked, members(judge(facts, form)[0]))


def _candidates(trace: _Trace, form: Noun, without: tuple[int, ...] = (), label: Label | None = None) -> list[int]:
    """List the objects of a noun; anchors among them are left out and the rest called `other`."""
    facts = trace.facts
    fitting = judge(facts, form)[0]
    objects = [i for i in facts.left_to_right(fitting) if i not in without]
    category = form.category or ANYTHING
    word = plural(category) if len(objects) > 1 else category
    lead = " ".join(w for w in (form.state, form.color, word) if w)
    if not objects:
        trace.sentences.append(f"No {lead}.")
    else:
        if any(fitting >> i & 1 for i in without):
            lead = f"other {lead}"
        trace.say(lead, objects, labels(facts, objects, label) if label else None)
    return objects


def labels(facts: Facts, objects: list[int], label: Label) -> list[str]:
    """Say of each object what one looks for: its colour, its state, whether it is hidden, or how large it looks.

    Sizes are the square root of the amodal box's area, in thousandths of the image.
    """
    if label == "hiding":
        return ["visible" if facts.unhidden >> i & 1 else "hidden" for i in objects]
    if label == "size":
        width, height = facts.scene.width, facts.scene.height
        boxes = [facts.objects[i].amodal for i in objects]
        return [str(round(1000 * ((b[2] - b[0]) * (b[3] - b[1]) / (width * height)) ** 0.5)) for b in boxes]
    return [(facts.objects[i].color if label == "color" else facts.objects[i].state) or "other" for i in objects]


def _follow(trace: _Trace, form: Form, label: Label | None = None) -> list[int]:
    """Add the steps of a form and return the objects that it comes to, from left to right."""
    facts = trace.facts
    result = facts.left_to_right(judge(facts, form)[0])
    match form:
        case Noun():
            return _candidates(trace, form, label=label)
        case Extreme(head, which):
            wanted: Label | None = "size" if which in ("largest", "smallest") else None
            return trace.conclude(which, result) if _follow(trace, head, wanted) else []
        case Ordinal(head, rank, side):
            return trace.conclude(f"{ORDINALS[rank - 1]} from the {side}", result) if _follow(trace, head) else []
        case Sized(head, size):
            return trace.conclude(size, result) if _follow(trace, head, "size") else []
        case Related(head, relation, Furniture() as furniture):
            return trace.conclude(f"{relation} {phrase(furniture)}", result) if _follow(trace, head) else []
        case Related(head, relation, anchor):
            return _relate(trace, head, (anchor,), f"{relation} it", result)
        case Between(head, first, second):
            return _relate(trace, head, (first, second), "between them", result)
        case Hidden(head, None):
            return trace.conclude("partly hidden", result) if _follow(trace, head, "hiding") else []
        case Hidden(head, Furniture() as furniture):
            lead = f"partly hidden by {phrase(furniture)}"
            return trace.conclude(lead, result) if _follow(trace, head) else []
        case Hidden(head, by) if by is not None:
            return _relate(trace, head, (by,), "partly hidden by it", result)
        case Unhidden(head):
            return trace.conclude("fully visible", result) if _follow(trace, head, "hiding") else []
    raise TypeError(f"not a form: {form!r}")


def _relate(
    trace: _Trace, head: Form, anchors: tuple[Form | Furniture, ...], lead: str, result: list[int]
) -> list[int]:
    found = tuple(i for anchor in anchors if not isinstance(anchor, Furniture) for i in _follow(trace, anchor))
    if not isinstance(head, Noun):
        raise TypeError(f"the head of a relation must be a noun, not {head!r}")
    return trace.conclude(lead, result) if _candidates(trace, head, found) else []
