"""Withholds a found box whose score is below a bound, and says what kind of score that was."""

from __future__ import annotations

from dataclasses import replace

from egm_core.grounder.grounding import Grounding

LOW_SCORE = "low_score"
RAW_BOUND = "min_score_is_held_against_raw_scores"


def held_against_raw(found: Grounding) -> bool:
    """Tell whether a box's score, where there is one, is raw and no probability."""
    if not found.objects:
        return found.score_available and "visible" not in found.calibrated
    return any(each.score_available and "visible" not in each.calibrated for each in found.objects)


def bounded(found: Grounding, min_score: float) -> Grounding:
    """Turn found boxes with scores below `min_score` into absent, reason `low_score`; without a score they stay.

    Of several objects those at the bound or above stay, and a warning counts the others. Another warning says where the
    bound is held against raw scores, which may all lie near 0.
    """
    objects = found.objects
    if found.outcome != "found" or min_score <= 0.0 or not any(each.score_available for each in objects):
        return found
    raw = held_against_raw(found)
    if raw:
        found = replace(found, warnings=(*found.warnings, RAW_BOUND))
    kept = [each for each in objects if not each.score_available or each.score >= min_score]
    if len(kept) == len(objects):
        return found
    if kept:
        gone = len(objects) - len(kept)
        told = f"{LOW_SCORE}: {gone} of {len(objects)} objects withheld, their scores are below min_score {min_score:g}"
        return replace(found.holding(kept), warnings=(*found.warnings, told))
    best = max(each.score for each in objects)
    what = "a box was found, but its score" if len(objects) == 1 else f"{len(objects)} boxes were found; the best score"
    detail = f"{what} {best:.3g} is below min_score {min_score:g}"
    if raw:
        detail += (
            "; min_score is being held against raw scores, which are no probabilities and may all lie near 0:"
            " calibrate the model (egm evaluate calibrate), or lower min_score"
        )
    return replace(found.holding(()), outcome="absent", reason=LOW_SCORE, detail=detail)
