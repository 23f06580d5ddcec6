"""Three dumb answers that any model has to beat, scored from the truth alone (and the model's own visible box)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egm_core.boxes import Box, iou
from egm_core.evaluate.queries import Query
from egm_core.evaluate.scores import THRESHOLD, Row

# What a model gains by completing. The true visible box copied is another baseline, which asks no model at all.
OWN_COPIED = "own visible box copied"


def _hit(box: Box, truth: Box, strict: bool) -> float:
    overlap = iou(box, truth)
    return float(overlap > THRESHOLD if strict else overlap >= THRESHOLD)


def category_only(query: Query, strict: bool = False) -> float | None:
    """Give the chance of being right when naming a random object of the category asked for; None for absents."""
    if query.truth is None:
        return None
    which = 0 if query.task == "visible" else 1
    overlaps = iou([pair[which] for pair in query.rivals], query.truth)
    return float(np.mean(overlaps > THRESHOLD if strict else overlaps >= THRESHOLD))


def largest_object(query: Query, strict: bool = False) -> float | None:
    """Tell whether the scene's largest object would be right (1 or 0); None for absents."""
    if query.truth is None:
        return None
    return _hit(query.largest[0 if query.task == "visible" else 1], query.truth, strict)


def own_visible_copied(rows: Sequence[Row], strict: bool = False) -> list[float | None]:
    """Score each amodal row as if the model's own visible answer to the same expression were its amodal one.

    None for rows that are not amodal, are absent, or whose expression was not asked as a visible question.
    """
    visible = {(r.query.seed, r.query.text): r for r in rows if r.query.task == "visible"}
    scores: list[float | None] = []
    for row in rows:
        twin = visible.get((row.query.seed, row.query.text)) if row.query.task == "amodal" else None
        if twin is None or row.query.truth is None:
            scores.append(None)
        else:
            scores.append(0.0 if twin.box is None else _hit(twin.box, row.query.truth, strict))
    return scores
