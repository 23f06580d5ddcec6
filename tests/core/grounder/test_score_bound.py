"""A bound on scores withholds weak boxes, at no score that an engine did not give, and tells raw scores apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egm_core.grounder.grounding import Found, Grounding
from egm_core.grounder.score_bound import LOW_SCORE, RAW_BOUND, bounded

BOX = (1.0, 2.0, 3.0, 4.0)
FOUND = Grounding("found", visible=BOX, amodal=BOX, score=0.5, score_available=True, calibrated=("visible", "amodal"))


def test_a_weak_box_is_withheld_and_both_are_gone() -> None:
    kept = bounded(FOUND, 0.51)
    assert (kept.outcome, kept.reason, kept.visible, kept.amodal) == ("absent", LOW_SCORE, None, None)
    assert kept.detail == "a box was found, but its score 0.5 is below min_score 0.51"
    assert kept.warnings == ()


@pytest.mark.parametrize("bound", [0.0, 0.4, 0.5])
def test_a_score_at_the_bound_or_above_stays(bound: float) -> None:
    assert bounded(FOUND, bound) is FOUND


def test_what_has_no_score_or_no_box_stays() -> None:
    for found in (replace(FOUND, score_available=False, score=0.0), Grounding("absent"), Grounding("error", "no_box")):
        assert bounded(found, 0.9) is found


@pytest.mark.parametrize("calibrated", [(), ("amodal",)])
def test_a_bound_against_raw_scores_is_told_whether_the_box_stays_or_not(calibrated: tuple[()]) -> None:
    raw = replace(FOUND, calibrated=calibrated)
    gone, stays = bounded(raw, 0.9), bounded(raw, 0.1)
    assert (gone.outcome, gone.warnings) == ("absent", (RAW_BOUND,))
    assert "raw scores" in gone.detail and "egm evaluate calibrate" in gone.detail
    assert (stays.outcome, stays.warnings) == ("found", (RAW_BOUND,))
    assert bounded(raw, 0.0) is raw


def test_of_several_objects_those_below_the_bound_go_and_are_counted() -> None:
    several = FOUND.holding([Found((0.0, 0.0, 1.0, 1.0), score=score, score_available=True) for score in (0.2, 0.7)])
    kept = bounded(replace(several, calibrated=("visible",)), 0.5)
    assert (kept.outcome, [each.score for each in kept.objects]) == ("found", [0.7])
    assert any(told.startswith("low_score: 1 of 2 objects withheld") for told in kept.warnings)
    gone = bounded(several, 0.9)
    assert (gone.outcome, gone.reason, gone.objects) == ("absent", LOW_SCORE, ())
    assert gone.detail.startswith("2 boxes were found; the best score 0.7 is below min_score 0.9")
