"""What forms mean, on scenes written down by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handmade import CAMERA, scene, thing

from egm_core.scenes.language.forms import (
    Between,
    Extreme,
    Furniture,
    Hidden,
    Noun,
    Ordinal,
    Related,
    Sized,
    Unhidden,
    phrase,
)
from egm_core.scenes.language.semantics import AmbiguousError, nothing_like, resolve

MUG, BOX, BALL = Noun("mug"), Noun("box"), Noun("ball")
ROW = scene(
    thing("red mug", 100, 500),
    thing("blue mug", 300, 500),
    thing("blue box", 500, 500),
    thing("green mug", 700, 500),
    thing("red ball", 900, 500),
)
DEEP = scene(
    thing("red mug", 300, 300, depth=1.5),
    thing("blue box", 320, 500, depth=1.2),
    thing("green mug", 330, 700, depth=0.9),
    thing("white mug", 800, 300, depth=1.9),
)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (MUG, "the mug", {0, 1, 3}),
        (Noun("mug", "blue"), "the blue mug", {1}),
        (Noun(None, "red"), "the red object", {0, 4}),
        (Noun("bottle"), "the bottle", set()),
        (Extreme(MUG, "leftmost"), "the leftmost mug", {0}),
        (Extreme(MUG, "rightmost"), "the rightmost mug", {3}),
        (Extreme(MUG, "middle"), "the middle mug", {1}),
        (Ordinal(MUG, 2, "left"), "the second mug from the left", {1}),
        (Ordinal(MUG, 3, "right"), "the third mug from the right", {0}),
        (Ordinal(MUG, 4, "left"), "the fourth mug from the left", set()),
        (Related(MUG, "left of", BOX), "the mug left of the box", {0, 1}),
        (Related(MUG, "right of", BOX), "the mug right of the box", {3}),
        (Related(BOX, "right of", BALL), "the box right of the ball", set()),
        (
            Between(MUG, Noun("mug", "red"), Noun("box", "blue")),
            "the mug between the red mug and the blue box",
            {1},
        ),
        (
            Extreme(Related(MUG, "left of", BOX), "rightmost"),
            "the rightmost mug left of the box",
            {1},
        ),
        (
            Ordinal(Related(MUG, "left of", BALL), 3, "left"),
            "the third mug from the left of those left of the ball",
            {3},
        ),
        (
            Related(BALL, "right of", Ordinal(MUG, 3, "left")),
            "the ball right of the third mug from the left",
            {4},
        ),
    ],
)
def test_a_row_of_objects(form, text, expected):
    assert phrase(form) == text
    assert resolve(ROW, form) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Related(MUG, "behind", BOX), {0}),
        (Related(MUG, "in front of", BOX), {2}),
        (Related(BOX, "behind", Noun("mug", "green")), {1}),
        (Extreme(MUG, "nearest"), {2}),
        (Extreme(MUG, "farthest"), {3}),
        (Related(MUG, "left of", Noun("mug", "white")), {0, 2}),
    ],
)
def test_depth(form, expected):
    assert resolve(DEEP, form) == expected


def test_behind_is_measured_over_the_ground_by_a_camera_that_looks_down():
    down = np.array([[1.0, 0.0, 0.0], [0.0, -0.6, -0.8], [0.0, 0.8, -0.6]])
    tall = thing("red bottle", 300, 400, depth=0.9, position=np.array([0.0, 0.5, 0.2]))
    flat = thing("blue book", 310, 500, depth=1.0, position=np.array([0.0, 0.45, 0.01]))
    for camera, clear in ((CAMERA, True), (replace(CAMERA, rotation=down), False)):
        table = replace(scene(tall, flat), camera=camera)
        if clear:
            assert resolve(table, Related(Noun("bottle"), "in front of", Noun("book"))) == {0}
        else:
            with pytest.raises(AmbiguousError):
                resolve(table, Related(Noun("bottle"), "in front of", Noun("book")))


def test_what_cannot_be_seen_is_not_meant():
    table = scene(thing("red mug", 300, 500), thing("blue mug", 500, 500, visible=(0.0, 0.0, 0.0, 0.0)))
    assert resolve(table, MUG) == {0}
    assert resolve(table, Noun(None, "blue")) == set()


def test_next_to_is_the_clearly_nearest_one():
    table = scene(thing("red mug", 300, 500), thing("blue mug", 800, 500), thing("green box", 420, 500))
    assert resolve(table, Related(MUG, "next to", BOX)) == {0}
    table = scene(thing("red mug", 300, 500), thing("blue mug", 550, 500), thing("green box", 420, 500))
    with pytest.raises(AmbiguousError):
        resolve(table, Related(MUG, "next to", BOX))
    table = scene(thing("red mug", 100, 500), thing("green box", 800, 500))
    assert resolve(table, Related(MUG, "next to", BOX)) == set()


def test_on_and_under_come_from_what_stands_on_what():
    table = scene(
        thing("red mug", 300, 400, supported_by=1), thing("blue book", 310, 480), thing("green mug", 700, 400)
    )
    assert resolve(table, Related(MUG, "on", Noun("book"))) == {0}
    assert resolve(table, Related(Noun("book"), "under", Noun("mug", "red"))) == {1}
    with pytest.raises(AmbiguousError):
        resolve(table, Related(Noun("book"), "under", MUG))


def test_sizes_need_the_picture_and_the_world_to_agree():
    table = scene(
        thing("red mug", 200, 500, side=100, size="large"), thing("blue mug", 500, 500, side=60, size="small")
    )
    assert resolve(table, Extreme(MUG, "largest")) == {0}
    assert resolve(table, Extreme(MUG, "smallest")) == {1}
    assert resolve(table, Sized(MUG, "large")) == {0}
    near = thing("red mug", 200, 500, side=100, size="small", extent=(0.05, 0.05, 0.05))
    far = thing("blue mug", 500, 500, side=60, size="large", extent=(0.09, 0.09, 0.09))
    for form in (Extreme(MUG, "largest"), Sized(MUG, "large"), Extreme(MUG, "smallest")):
        with pytest.raises(AmbiguousError):
            resolve(scene(near, far), form)


def test_what_hides_what():
    table = scene(
        thing("red mug", 200, 500, visible_fraction=0.5, occluders=("arm",)),
        thing("blue mug", 500, 500, visible_fraction=0.7, occluders=("object:2",), depth=1.2),
        thing("green box", 520, 560),
        thing("white mug", 800, 500),
    )
    assert resolve(table, Hidden(MUG, Furniture("arm"))) == {0}
    assert resolve(table, Related(MUG, "behind", Furniture("arm"))) == {0}
    assert resolve(table, Hidden(MUG, BOX)) == {1}
    assert resolve(table, Related(MUG, "behind", BOX)) == {1}
    assert resolve(table, Hidden(MUG)) == {0, 1}
    assert resolve(table, Unhidden(MUG)) == {3}


@pytest.mark.parametrize(
    ("things", "form"),
    [
        ((thing("red mug", 500, 300), thing("blue box", 520, 700)), Related(MUG, "left of", BOX)),
        ((thing("red mug", 500, 300), thing("blue mug", 520, 700)), Extreme(MUG, "leftmost")),
        ((thing("red mug", 500, 300), thing("blue mug", 520, 700)), Ordinal(MUG, 1, "left")),
        ((thing("red mug", 500, 300),), Extreme(MUG, "leftmost")),
        ((thing("red mug", 500, 300), thing("blue mug", 700, 300, depth=1.02)), Extreme(MUG, "nearest")),
        ((thing("red mug", 500, 300, depth=1.02), thing("blue box", 520, 400)), Related(MUG, "behind", BOX)),
        ((thing("red mug", 500, 300, visible_fraction=0.9), thing("blue mug", 700, 300)), Hidden(MUG)),
        (
            (thing("red mug", 300, 300), thing("blue box", 500, 300), thing("red box", 700, 300)),
            Related(MUG, "left of", BOX),
        ),
        ((thing("red mug", 300, 300),), Related(MUG, "left of", BOX)),
    ],
)
def test_what_lies_in_a_margin_is_refused(things, form):
    with pytest.raises(AmbiguousError):
        resolve(scene(*things), form)


def test_absence_holds_under_a_careless_reading_too():
    table = scene(thing("red mug", 300, 500), thing("blue box", 350, 520), thing("blue ball", 800, 500))
    assert nothing_like(table, Noun("mug", "green"))
    assert not nothing_like(table, Noun("mug", "orange"))
    assert resolve(table, Noun("mug", "orange")) == set()
    assert nothing_like(table, Related(MUG, "right of", BALL))
    assert resolve(table, Related(MUG, "on", BOX)) == set()
    assert not nothing_like(table, Related(MUG, "on", BOX))
    assert nothing_like(scene(thing("red book", 300, 500)), Noun("mug"))
    assert not nothing_like(scene(thing("red book", 300, 500)), Noun("notebook"))
    assert not nothing_like(table, Related(MUG, "left of", Noun("bottle")))
