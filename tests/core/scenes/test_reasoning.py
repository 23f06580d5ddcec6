"""The wording of the reasoning, literally, and the objects that its points mean."""

from __future__ import annotations

import re

import pytest
from handmade import scene, thing

from egm_core.scenes.language.facts import Facts
from egm_core.scenes.language.forms import Between, Extreme, Furniture, Hidden, Noun, Ordinal, Related, Sized, Unhidden
from egm_core.scenes.language.reasoning import explain, explain_whole, rough

MUG, BOX = Noun("mug"), Noun("box")
TABLE = scene(
    thing("blue mug", 700, 500),
    thing("red mug", 100, 500),
    thing("blue box", 400, 300, side=120),
    thing("red ball", 900, 500, visible_fraction=0.6, occluders=("arm",)),
    thing("green mug", 300, 520, side=40, state="lying"),
)


@pytest.mark.parametrize(
    ("form", "text", "mentions"),
    [
        (
            Noun("mug", "red"),
            "Mugs: (100,500) red, (300,520) green, (700,500) blue. Red: (100,500).",
            (1, 4, 0, 1),
        ),
        (
            Noun("mug", "white"),
            "Mugs: (100,500) red, (300,520) green, (700,500) blue. None is white.",
            (1, 4, 0),
        ),
        (
            Noun("mug", state="lying"),
            "Mugs: (100,500) other, (300,520) lying, (700,500) other. Lying: (300,520).",
            (1, 4, 0, 4),
        ),
        (BOX, "Box: (400,300).", (2,)),
        (Noun(None, "red"), "Red objects: (100,500), (900,500).", (1, 3)),
        (Noun("bottle"), "No bottle.", ()),
        (Noun("bottle", "red"), "No bottle.", ()),
        (
            Ordinal(MUG, 2, "right"),
            "Mugs: (100,500), (300,520), (700,500). Second from the right: (300,520).",
            (1, 4, 0, 4),
        ),
        (
            Ordinal(MUG, 4, "left"),
            "Mugs: (100,500), (300,520), (700,500). None is fourth from the left.",
            (1, 4, 0),
        ),
        (
            Extreme(MUG, "smallest"),
            "Mugs: (100,500) 80, (300,520) 40, (700,500) 80. Smallest: (300,520).",
            (1, 4, 0, 4),
        ),
        (
            Related(MUG, "right of", BOX),
            "Box: (400,300). Mugs: (100,500), (300,520), (700,500). Right of it: (700,500).",
            (2, 1, 4, 0, 0),
        ),
        (
            Related(MUG, "right of", Noun("mug", "green")),
            "Green mug: (300,520). Other mugs: (100,500), (700,500). Right of it: (700,500).",
            (4, 1, 0, 0),
        ),
        (
            Related(MUG, "right of", Noun("ball")),
            "Ball: (900,500). Mugs: (100,500), (300,520), (700,500). None is right of it.",
            (3, 1, 4, 0),
        ),
        (Related(Noun("can"), "right of", BOX), "Box: (400,300). No can.", (2,)),
        (
            Between(MUG, BOX, Noun("ball")),
            "Box: (400,300). Ball: (900,500). Mugs: (100,500), (300,520), (700,500). Between them: (700,500).",
            (2, 3, 1, 4, 0, 0),
        ),
        (
            Hidden(Noun("ball"), Furniture("arm")),
            "Ball: (900,500). Partly hidden by the arm: (900,500).",
            (3, 3),
        ),
        (
            Related(Noun("ball"), "right of", Extreme(MUG, "rightmost")),
            "Mugs: (100,500), (300,520), (700,500). Rightmost: (700,500). Ball: (900,500). Right of it: (900,500).",
            (1, 4, 0, 0, 3, 3),
        ),
        (
            Extreme(Related(MUG, "left of", Noun("ball")), "rightmost"),
            "Ball: (900,500). Mugs: (100,500), (300,520), (700,500). "
            "Left of it: (100,500), (300,520), (700,500). Rightmost: (700,500).",
            (3, 1, 4, 0, 1, 4, 0, 0),
        ),
        (Hidden(Noun("ball")), "Ball: (900,500) hidden. Partly hidden: (900,500).", (3, 3)),
        (
            Unhidden(MUG),
            "Mugs: (100,500) visible, (300,520) visible, (700,500) visible. "
            "Fully visible: (100,500), (300,520), (700,500).",
            (1, 4, 0, 1, 4, 0),
        ),
        (
            Sized(Noun("mug", "red"), "large"),
            "Red mug: (100,500) 80. None is large.",
            (1,),
        ),
    ],
)
def test_each_step_has_one_template(form, text, mentions):
    assert explain(Facts(TABLE), form) == (text, mentions)


def test_an_amodal_question_adds_what_hides_the_object_and_how_far_it_reaches():
    table = scene(
        thing(
            "red mug", 400, 500, visible=(300.0, 400.0, 400.0, 600.0), amodal=(300.0, 360.0, 490.0, 600.0),
            occluders=("arm", "object:1"),
        ),
        thing("blue box", 440, 500),
        thing("green can", 700, 500, occluders=("pole",)),
        thing("white ball", 900, 500, visible=(880.0, 450.0, 950.0, 550.0), amodal=(850.0, 450.0, 950.0, 550.0)),
    )  # fmt: skip
    facts = Facts(table)
    assert explain_whole(facts, 0, "Mug: (350,500).", (0,)) == (
        "Mug: (350,500). The arm and the blue box (440,500) hide its right and top. "
        "The whole mug reaches right by 80 and up by 40.",
        (0, 1),
    )
    assert explain_whole(facts, 1, "Box: (440,500).", (1,)) == ("Box: (440,500). It is fully visible.", (1,))
    assert explain_whole(facts, 2, "Can: (700,500).", (2,)) == ("Can: (700,500). A pole hides a part of it.", (2,))
    assert explain_whole(facts, 3, "Ball: (915,500).", (3,)) == (
        "Ball: (915,500). Its left is hidden. The whole ball reaches left by 40.",
        (3,),
    )


@pytest.mark.parametrize(
    ("amount", "said"), [(6, 5), (7, 5), (8, 10), (14, 10), (15, 20), (28, 20), (29, 40), (113, 80), (114, 160)]
)
def test_extents_are_rounded_by_their_ratio(amount, said):
    assert rough(amount) == said


def test_points_are_the_centres_of_the_visible_boxes():
    table = scene(thing("red mug", 400, 500, visible=(300.0, 401.0, 400.0, 600.0)))
    text, mentions = explain(Facts(table), MUG)
    assert re.findall(r"\(\d+,\d+\)", text) == ["(350,500)"]
    assert mentions == (0,)
