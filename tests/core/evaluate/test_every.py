"""Questions about every match have the targets that their scene shows, and gRefCOCO's figures are by hand the same."""

from __future__ import annotations

import math

import pytest

from egm_core.boxes import Box
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.every.questions import EveryQuestion, every_questions
from egm_core.evaluate.every.scoring import Scored, figures, table
from egm_core.grounder import Found, Grounding

A, B, C = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (40.0, 0.0, 50.0, 10.0)
NEAR_A, HALF_B = (0.0, 0.0, 10.0, 8.0), (20.0, 0.0, 24.0, 10.0)


def scored(seed: int, truths: tuple[Box, ...], said: tuple[Box, ...] | None) -> Scored:
    """Score an answer with these boxes, both amodal and visible; None for one that could not be read."""
    asked = EveryQuestion(seed, "every mug", truths, truths)
    if said is None:
        return Scored.of(asked, Grounding("error", "malformed"))
    found = Grounding("found" if said else "absent").holding([Found(box, box) for box in said])
    return Scored.of(asked, found)


ROWS = [
    scored(1, (), ()), scored(1, (A,), (NEAR_A,)), scored(1, (A, B), (B, NEAR_A)),
    scored(2, (), (A,)), scored(2, (A,), ()), scored(2, (A, B, C), (A, HALF_B)),
    scored(3, (), None), scored(3, (A,), (A, B)), scored(3, (A, B), (A, A)),
]  # fmt: skip


def test_the_figures_are_those_by_hand() -> None:
    found = {name: {kind: each.value for kind, each in kinds.items()} for name, kinds in figures(ROWS, True).items()}
    third = pytest.approx(1 / 3)
    assert found["F1 = 1, visible"] == {"none": third, "one": third, "several": third, "all": third}
    assert found["F1 = 1, amodal"] == {"one": third, "several": third}
    assert found["N-acc"] == {"none": third}
    assert found["T-acc"] == {"one": pytest.approx(2 / 3), "several": 1.0}
    # Of 3 + 7 objects 2 and 4 are found; of 3 and 6 boxes 2 and 4 are right: one box twice is right once.
    assert found["objects found, visible"] == {"one": pytest.approx(2 / 3), "several": pytest.approx(4 / 7)}
    assert found["boxes right, visible"] == {"one": pytest.approx(2 / 3), "several": pytest.approx(4 / 6)}
    assert found["no answer, or unreadable"] == {"none": third, "one": 0.0, "several": 0.0, "all": pytest.approx(1 / 9)}


def test_an_unreadable_answer_is_no_word_that_nothing_is_there() -> None:
    assert not scored(1, (), None).whole("visible")
    assert scored(1, (), ()).whole("visible") and not scored(1, (A,), ()).whole("visible")


def test_the_table_has_every_figure_and_an_interval_from_five_scenes_on() -> None:
    many = [scored(seed, (A, B), (A, B) if seed % 2 else (A,)) for seed in range(8)]
    assert figures(many, False)["F1 = 1, visible"]["several"].value == 0.5
    assert not math.isnan(figures(many, False)["F1 = 1, visible"]["several"].low)
    said = table(ROWS, True)
    assert "| N-acc |" in said and "several (n 3)" in said and "amodal" in said
    assert "amodal" not in table(many, False)


def test_a_scene_is_asked_about_none_one_and_several_that_it_shows_and_always_the_same() -> None:
    scenes = list(rendered(500_000_000, 4))
    for scene in scenes:
        questions = every_questions(scene)
        assert questions == every_questions(scene)
        assert len({each.targets for each in questions}) == len(questions) >= 2
        for each in questions:
            words = each.text.split()
            assert words[0] == "every" and len(each.visible) == len(each.amodal)
            color, category = (words[1], words[2]) if len(words) > 2 else (None, words[1])
            meant = [o for o in scene.objects if category in (o.category, "object") and color in (None, o.color)]
            assert [o.visible for o in meant] == list(each.visible)
            assert [o.amodal for o in meant] == list(each.amodal)
    assert {each.targets for scene in scenes for each in every_questions(scene)} == {"none", "one", "several"}
