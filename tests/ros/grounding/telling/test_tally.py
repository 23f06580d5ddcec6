"""Counting answers."""

from __future__ import annotations

from egm_ros.grounding.telling.tally import Answers


def test_answers_are_counted_by_outcome_and_repair():
    answers = Answers()
    answers.concluded(1.0, "found", "found: the mug", ("amodal_union",))
    answers.concluded(2.0, "found", "found: the mug", ("amodal_union", "amodal_disagrees"))
    answers.concluded(3.0, "error", "garbage", ())
    assert answers.outcomes == {"found": 2, "error": 1}
    assert answers.repairs == {"amodal_union": 2, "amodal_disagrees": 1}
    assert (answers.last, answers.last_at) == (("error", "garbage"), 3.0)
    assert (answers.missed, answers.thoughts["late"]) == (0, 0)
    answers.concluded(4.0, "found", "found: the mug", (), thought="late", missed=True)
    answers.concluded(5.0, "found", "found: the mug", (), thought="yes")
    assert (answers.missed, answers.thoughts["late"], answers.thoughts["yes"]) == (1, 1, 1)
