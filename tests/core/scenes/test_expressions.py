"""Expressions: each fits its object and no other, by a second reading of its words; the mix; the vocabulary."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from handmade import scene, thing

from egm_core.scenes.generator import Generator
from egm_core.scenes.language.expressions import KINDS, MIX, VOCABULARY, Expression, absents, choose, expressions
from egm_core.scenes.language.forms import noun
from egm_core.scenes.language.semantics import resolve
from egm_core.scenes.language.vocabulary import plural
from egm_core.scenes.truth import CATEGORIES, COLORS, ObjectTruth, Scene

SCENES = 120
EACH = 6
RANKS = ("first", "second", "third", "fourth", "fifth")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    generator = Generator()
    try:
        made = [generator.scene(seed) for seed in range(SCENES)]
    finally:
        generator.close()
    return made


@pytest.fixture(scope="module")
def everything(scenes: list[Scene]) -> list[tuple[Scene, list[Expression]]]:
    return [(view, [*expressions(view), *absents(view)]) for view in scenes]


@pytest.fixture(scope="module")
def chosen(scenes: list[Scene]) -> list[tuple[Scene, Expression]]:
    rng = np.random.default_rng(0)
    return [(s, e) for s in scenes for e in choose(s, rng, EACH)]


def said(objects: tuple[ObjectTruth, ...], words: str) -> list[ObjectTruth]:
    """Read "red mug", "mug", "red object" or "lying bottle" with nothing but string comparisons."""
    *marks, category = words.split()
    return [
        o for o in objects if category in (o.category, "object") and all(mark in (o.color, o.state) for mark in marks)
    ]


def middle(thing: ObjectTruth) -> float:
    return thing.visible[0] + thing.visible[2]


def second_reading(view: Scene, text: str) -> list[ObjectTruth] | None:
    """Find what a text means from its words alone; None for a text too complex for this reader."""
    nouns = "|".join(c for names in CATEGORIES.values() for c in (*names, "object"))
    plain = rf"(?:(?:{'|'.join(COLORS)}|lying|standing) )?(?:{nouns})"
    things = view.objects
    if re.fullmatch(rf"the ({plain})", text):
        return said(things, text[4:])
    if match := re.fullmatch(rf"the (leftmost|rightmost) ({plain})", text):
        ordered = sorted(said(things, match[2]), key=middle)
        return ordered[:1] if match[1] == "leftmost" else ordered[-1:]
    if match := re.fullmatch(rf"the ({'|'.join(RANKS)}) ({plain}) from the (left|right)", text):
        ordered = sorted(said(things, match[2]), key=middle, reverse=match[3] == "right")
        rank = RANKS.index(match[1])
        return ordered[rank : rank + 1]
    if match := re.fullmatch(rf"the ({plain}) (left of|right of|behind|in front of|on|under) the ({plain})", text):
        anchors = said(things, match[3])
        assert len(anchors) == 1
        anchor = anchors[0]
        tests = {
            "left of": lambda o: middle(o) < middle(anchor),
            "right of": lambda o: middle(o) > middle(anchor),
            "behind": lambda o: stands_behind(o, anchor),
            "in front of": lambda o: stands_behind(anchor, o),
            "on": lambda o: o.supported_by == anchor.index,
            "under": lambda o: anchor.supported_by == o.index,
        }
        return [o for o in said(things, match[1]) if o is not anchor and tests[match[2]](o)]
    if match := re.fullmatch(rf"the ({plain}) partly hidden by (?:the|a) (arm|pole|truck)", text):
        return [o for o in said(things, match[1]) if match[2] in o.occluders and o.visible_fraction < 0.92]
    if match := re.fullmatch(rf"the (nearest|farthest) ({plain})", text):
        ordered = sorted(said(things, match[2]), key=lambda o: o.center_depth)
        return ordered[:1] if match[1] == "nearest" else ordered[-1:]
    return None


def stands_behind(far: ObjectTruth, near: ObjectTruth) -> bool:
    if near.index in (far.supported_by, far.index) or near.supported_by == far.index:
        return False
    columns = min(far.amodal[2], near.amodal[2]) > max(far.amodal[0], near.amodal[0])
    covered = f"object:{near.index}" in far.occluders
    return covered or (columns and far.center_depth > near.center_depth)


def test_a_second_reading_finds_the_same_object(everything):
    read = Counter()
    for view, made in everything:
        for expression in made:
            found = second_reading(view, expression.text)
            if found is None:
                continue
            expected = [] if expression.target is None else [expression.target]
            assert [o.index for o in found] == expected, (view.seed, expression.text)
            read[expression.kind] += 1
    assert all(read[kind] >= 100 for kind in ("attribute", "ordinal", "relation", "absent")), read
    assert read["occlusion"] >= 20, read


def test_the_meaning_resolves_to_the_target(chosen):
    for view, expression in chosen:
        expected = set() if expression.target is None else {expression.target}
        assert resolve(view, expression.form) == expected


def test_the_mix(chosen):
    count = Counter(e.kind for _, e in chosen)
    share = {kind: count[kind] / len(chosen) for kind in KINDS}
    assert len(chosen) >= 0.99 * SCENES * EACH
    assert share["absent"] == pytest.approx(MIX["absent"], abs=0.05)
    for kind in KINDS:
        assert 0.01 < share[kind] == pytest.approx(MIX[kind], abs=0.05), share
    present = [e for _, e in chosen if e.target is not None]
    missing = [e for _, e in chosen if e.target is None]
    assert np.mean([e.distractor for e in present]) >= 0.6
    assert np.mean([e.near_miss for e in missing]) == pytest.approx(0.5, abs=0.1)


def test_flags_tell_the_truth(chosen):
    for view, expression in chosen:
        categories = Counter(o.category for o in view.objects)
        if expression.target is None:
            assert expression.kind == "absent"
            assert expression.near_miss == (noun(expression.form).category in categories)
        else:
            assert expression.distractor == (categories[view.objects[expression.target].category] > 1)


def test_the_vocabulary_is_closed(everything):
    assert {plural(c) for names in CATEGORIES.values() for c in names} <= VOCABULARY
    for _, made in everything:
        for e in made:
            words = set(re.findall(r"[a-z]+", f"{e.text} {e.reasoning} {e.amodal_reasoning}".lower()))
            assert words <= VOCABULARY, words - VOCABULARY
            assert re.fullmatch(r"the [a-z ]+", e.text)


def test_mentions_match_points_and_the_last_one_is_the_target(everything):
    for view, made in everything[:40]:
        scale = np.array([1000 / view.width, 1000 / view.height])
        for e in made:
            for text, mentions in ((e.reasoning, e.mentions), (e.amodal_reasoning, e.amodal_mentions)):
                points = [tuple(map(int, p)) for p in re.findall(r"\((\d+),(\d+)\)", text)]
                assert len(points) == len(mentions)
                centers = [np.reshape(view.objects[i].visible, (2, 2)).mean(0) * scale for i in mentions]
                assert not points or np.abs(np.array(points) - np.array(centers)).max() <= 0.5001
            assert len(e.reasoning.split()) <= 45
            if e.target is not None:
                assert e.mentions[-1] == e.target
                assert e.amodal_reasoning.startswith(e.reasoning)


def test_a_mirrored_scene_keeps_everything_but_the_sides(everything):
    def mirrored(view: Scene) -> Scene:
        def flip(b: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
            return view.width - b[2], b[1], view.width - b[0], b[3]

        things = [
            replace(o, visible=flip(o.visible), amodal=flip(o.amodal), amodal_full=flip(o.amodal_full))
            for o in view.objects
        ]
        return replace(view, objects=tuple(things))

    swap = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
    for view, made in everything[:40]:
        here = {(e.text, e.target) for e in made if e.target is not None}
        there = {
            (" ".join(swap.get(word, word) for word in e.text.split()), e.target) for e in expressions(mirrored(view))
        }
        plain = {pair for pair in here if " of those " not in pair[0] and pair[0].count(" the ") < 2}
        assert plain <= there


def test_the_same_rng_chooses_the_same(scenes):
    texts = [[e.text for e in choose(scenes[3], np.random.default_rng(5), 8)] for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == len(texts[0]) == 8


def test_hidden_objects_and_objects_with_distractors_are_chosen_more_often():
    table = scene(
        thing("red mug", 100, 500),
        thing("blue mug", 300, 500, amodal=(200.0, 400.0, 400.0, 700.0), visible_fraction=0.4, occluders=("arm",)),
        thing("green box", 600, 500),
    )
    rng = np.random.default_rng(0)
    count = Counter(e.target for _ in range(200) for e in choose(table, rng, 1, {"attribute": 1.0}))
    assert count[1] > 2 * count[0] > 4 * count[2] > 0
    assert None not in count


def test_an_empty_scene_has_only_absent_expressions():
    assert expressions(scene()) == []
    made = choose(scene(), np.random.default_rng(0), 5)
    assert len(made) == 5
    assert all(e.target is None and not e.near_miss for e in made)


def test_nothing_is_said_where_two_objects_are_alike_and_in_one_column():
    pair = scene(thing("red mug", 500, 300), thing("red mug", 505, 350))
    assert expressions(pair) == []
