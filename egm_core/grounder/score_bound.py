"""Withholds a found box whose score is below a bound, and says what kind of score that was."""

from __future__ import annotations

from dataclasses import replace

from egm_core.grounder.grounding import Grounding

LOW_SCORE = "low_score"
RAW_BOUND = "min_score_is_held_against_raw_scores"


def held_against_raw(found: Grounding) -> bool:
    """Tell whether a box's score, where there is one, is raw and no probability."""
    return found.score_available and "visible" not in found.calibrated


def bounded(found: Grounding, min_score: float) -> Grounding:
    """Turn a found box with a score below `min_score` into absent, reason `low_score`; without a score it stays.

    A warning says where the bound is held against raw scores, which may all lie near 0.
    """
    if found.outcome != "found" or not found.score_available or min_score <= 0.0:
        return found
    raw = held_against_raw(found)
    if raw:
        found = replace(found, warnings=(*found.warnings, RAW_BOUND))
    if found.score >= min_score:
        return found
    detail = f"a box was found, but its score {found.score:.3g} is below min_score {min_score:g}"
    if raw:
        detail += (
            "; min_score is being held against raw scores, which are no probabilities and may all lie near 0:"
            " calibrate the model (egm evaluate calibrate), or lower min_score"
        )
    return replace(found, outcome="absent", reason=LOW_SCORE, detail=detail, visible=None, amodal=None)
