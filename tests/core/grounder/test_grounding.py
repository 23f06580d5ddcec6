"""An answer holds one object or several: its own boxes are those of the first, and its JSON lists all."""

from __future__ import annotations

import json

from egm_core.grounder import Found, Grounding
from egm_core.grounder.decision import inside

FIRST = Found((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 5.0, 4.0), 0.9, 0.8, True, 0.7, 0.6, ("visible", "amodal"), "red cup")
SECOND = Found((6.0, 2.0, 8.0, 4.0), label="blue cup")


def test_one_object_is_the_answers_own_boxes() -> None:
    found = Grounding("found", visible=FIRST.visible, amodal=FIRST.amodal, score=0.9, score_available=True)
    assert found.objects == (Found(FIRST.visible, FIRST.amodal, 0.9, score_available=True),)


def test_several_objects_come_back_as_they_were_given_and_the_first_is_the_answers_own() -> None:
    found = Grounding("found").holding([FIRST, SECOND])
    assert found.objects == (FIRST, SECOND)
    assert (found.visible, found.amodal, found.score, found.raw_amodal_score) == (FIRST.visible, FIRST.amodal, 0.9, 0.6)
    assert (found.calibrated, found.label, found.further) == (FIRST.calibrated, "red cup", (SECOND,))
    assert found.holding([SECOND]).objects == (SECOND,)


def test_no_object_is_left_where_the_boxes_are_taken_back() -> None:
    none = Grounding("absent").holding([FIRST, SECOND]).holding(())
    assert (none.objects, none.visible, none.amodal, none.further) == ((), None, None, ())
    foreign = inside(Grounding("found").holding([FIRST, SECOND]), {"visible": ("strange",)})
    assert (foreign.outcome, foreign.objects) == ("absent", ())


def test_amodal_boxes_that_a_model_does_not_know_are_taken_back_of_every_object() -> None:
    whole = Found(SECOND.visible, SECOND.visible)
    kept = inside(Grounding("found").holding([FIRST, whole]), {"amodal": ("strange",)})
    assert [(each.visible, each.amodal) for each in kept.objects] == [(FIRST.visible, None), (whole.visible, None)]


def test_json_lists_every_object_the_first_too() -> None:
    said = json.loads(json.dumps(Grounding("found").holding([FIRST, SECOND]).to_json()))
    assert said["visible"] == said["objects"][0]["visible"] == [1.0, 2.0, 3.0, 4.0]
    assert [each["label"] for each in said["objects"]] == ["red cup", "blue cup"]
    assert "further" not in said and said["left_out"] == 0
    assert Grounding("absent").to_json()["objects"] == []
