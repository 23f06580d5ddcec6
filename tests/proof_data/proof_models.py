"""The scripted teacher, who knows the truth and makes planted mistakes, and the scripted verifier, who errs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from proof_judge import RecordedJudge, is_verdict, plain
from proof_server import Books, Question, Turn, phrase
from proof_wordings import FRAME, Planned
from proof_worlds import Thing, World, digest

from egm_core.boxes import iou
from egm_core.curate.rules import facts

TEACHER, VERIFIER = "scripted-teacher-1", "scripted-verifier-1"
ERRS_IN = 10
HANG = 9.0
# What a server may do once, and then answer: nothing of these loses a sample.
PASSING = ("429", "500", "hang", "usage missing", "usage text", "usage negative")
# What a server does again and again: no text, and never a sample.
LASTING = ("cut off", "refused", "filtered", "empty", "no JSON", "part missing")
NOT_JSON = "Sure! Here is what you asked for."


def faults(able: Iterable[Any], each: int) -> dict[Any, str]:
    """Give so many of the questions each fault, one after the other."""
    names = [name for name in (*PASSING, *LASTING) for _ in range(each)]
    return dict(zip(able, names, strict=False))


class Teacher:
    """Answers questions about reasoning: as planned where something is, else with plain good words. It also judges."""

    def __init__(
        self, worlds: Iterable[World], plans: dict[str, dict[Any, Planned]], troubles: dict[str, dict[Any, str]]
    ) -> None:
        self.worlds = {world.pixels: world for world in worlds}
        self.plans, self.troubles = plans, troubles
        self.judge = RecordedJudge()

    def __call__(self, question: Question, books: Books) -> Turn:
        if is_verdict(question):
            return self.judge(question, books)
        task = "amodal" if "hidden_sides" in question.parts else "visible"
        world, sent = self.worlds[digest(question.pictures[0])], phrase(question)
        key = (task, world.stem, sent)
        before = books.asked(key)
        trouble = self.troubles[task].get(key[1:], "")
        if trouble in ("429", "500") and not before:
            return Turn(key, task, status=int(trouble), headers={"Retry-After": "1"} if trouble == "429" else {})
        thing = world.meant(sent)
        assert thing is not None
        names = {one.name for one in world.things}
        known = [name for name in thing.behind if name in names]
        plan = self.plans[task].get(key[1:])
        found = re.search(r"a (\w+) frame", question.text)
        text = plan.text.replace(FRAME, found[1] if found else "red") if plan else plain_words(thing, known, task)
        if plan:
            self.judge.spoken[plain(text)] = plan
        said: dict[str, Any] = {"reasoning": text, "object": thing.category}
        if task == "amodal":
            sides = facts.hidden_sides(thing.visible, thing.amodal)
            said |= {"occluders": known, "hidden_sides": list(sides)}
        whole = json.dumps(said)
        return _troubled(Turn(key, task, whole), trouble, before, said)


def _troubled(turn: Turn, trouble: str, before: int, said: dict[str, Any]) -> Turn:
    """Make of a good turn what a fault makes of it."""
    more: dict[str, Any] = {
        "hang": {} if before else {"wait": HANG},
        "usage missing": {"usage": "none"},
        "usage text": {"usage": {"prompt_tokens": "many", "completion_tokens": "few"}},
        "usage negative": {"usage": {"prompt_tokens": -5, "completion_tokens": -1}},
        "cut off": {"text": turn.text[: len(turn.text) // 2], "finish": "length"},
        "refused": {"text": "", "refusal": "I can't help with that."},
        "filtered": {"text": "", "finish": "content_filter"},
        "empty": {"text": ""},
        "no JSON": {"text": NOT_JSON},
        "part missing": {"text": json.dumps({"reasoning": said["reasoning"]})},
    }.get(trouble, {})
    return Turn(**{**turn.__dict__, **more})


def plain_words(thing: Thing, known: Sequence[str], task: str) -> str:
    """Give the teacher's own words, where no planned ones are to be said."""
    text = f"The {thing.category} that is meant is {thing.colour}. No other {thing.category} here has this colour."
    if task == "visible":
        return text
    sides = facts.hidden_sides(thing.visible, thing.amodal)
    if not sides:
        # Something may still cover its middle, so that it is not seen whole.
        return text
    hides = f"The {known[0]}" if known else "Something in front"
    return f"{text} {hides} covers a part of it, so it goes on towards the {sides[0]}."


class Verifier:
    """Judges expressions by the truth, and errs in one judgement of ten, by the question's digest."""

    def __init__(self, worlds: Iterable[World]) -> None:
        self.worlds = {world.pixels: world for world in worlds}
        self.fits: dict[tuple[str, str, str], tuple[bool, bool]] = {}
        self.hits: dict[tuple[str, str, int | None], tuple[Thing, bool]] = {}

    def __call__(self, question: Question, books: Books) -> Turn:
        world = self.worlds[digest(question.pictures[0])]
        if "unique" in question.parts:
            return self._fits(question, world, books)
        return self._hits(question, world, books)

    def _fits(self, question: Question, world: World, books: Books) -> Turn:
        sent = phrase(question)
        thing = framed(question, world)
        key = (world.stem, thing.name, sent)
        books.asked(("fits", *key))
        true, errs = sent in thing.sents, _errs("fits", *key)
        said = true != errs
        self.fits[key] = said, errs
        why = "It fits this object and no other." if said else "It does not fit."
        return Turn(("fits", *key), "verify", json.dumps({"why": why, "accurate": said, "unique": said}))

    def _hits(self, question: Question, world: World, books: Books) -> Turn:
        sents = sorted((sent for one in world.things for sent in one.sents), key=len, reverse=True)
        sent = next(one for one in sents if one in question.text)
        thing = world.meant(sent)
        assert thing is not None
        errs = _errs("hits", world.stem, sent, str(question.seed))
        if errs:
            thing = next(one for one in world.things if one is not thing)
        books.asked(("hits", world.stem, sent, question.seed))
        self.hits[world.stem, sent, question.seed] = thing, errs
        height, width = question.pictures[0].shape[:2]
        x0, y0, x1, y1 = thing.visible
        box = [round(value) for value in (x0 * 1000 / width, y0 * 1000 / height, x1 * 1000 / width, y1 * 1000 / height)]
        return Turn(("hits", sent), "verify", json.dumps([{"bbox_2d": box, "label": thing.category}]))


def framed(question: Question, world: World) -> Thing:
    """Find the object in the frame, by where the two pictures differ."""
    plain, drawn = question.pictures
    rows, columns = np.nonzero((plain != drawn).any(axis=-1))
    box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
    return max(world.things, key=lambda one: float(iou(box, one.visible)))


def _errs(*told: str) -> bool:
    return int(hashlib.sha1("|".join(told).encode()).hexdigest(), 16) % ERRS_IN == 0
