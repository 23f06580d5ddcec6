"""Expressions of which both boxes were asked for: what a thought about the visible one makes of the amodal answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import iou
from egm_core.evaluate.results import Answered
from egm_core.evaluate.scores import THRESHOLD
from egm_core.evaluate.thinking.pairs import Floats, Pairs
from egm_core.grounder.together import carries, joint

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Twins:
    """Such expressions, as arrays of one entry each.

    `visible` and `amodal` are the places of both questions among the pairs, and `seen` describes both first answers.
    `moved` tells whether the visible answer after thinking would take the amodal one's place, and `carried` is 1 where
    the amodal answer that this leaves is right.
    """

    visible: Places
    amodal: Places
    seen: tuple[Mapping[str, float], ...]
    moved: NDArray[np.bool_]
    carried: Floats
    scenes: Places

    def __len__(self) -> int:
        """Count the expressions."""
        return len(self.visible)


def twins(pairs: Pairs) -> Twins:
    """Find the expressions of which both boxes were asked for."""
    amodal = {(a.seed, a.text): i for i, a in enumerate(pairs.answers) if a.task == "amodal"}
    found = [(i, amodal.get((a.seed, a.text), -1)) for i, a in enumerate(pairs.answers) if a.task == "visible"]
    found = [(i, j) for i, j in found if j >= 0]
    strict = bool(pairs.about.get("strict"))
    moved = [carries(pairs.says[j][0], pairs.says[i][1]) for i, j in found]
    carried = [
        _right(pairs.thoughts[i], pairs.answers[j], strict) if moves else float(pairs.first[j])
        for (i, j), moves in zip(found, moved, strict=True)
    ]
    visible, other = (np.array([places[k] for places in found], np.int64) for k in (0, 1))
    return Twins(
        visible,
        other,
        tuple(joint(pairs.seen[i], pairs.seen[j], (pairs.says[i][0], pairs.says[j][0])) for i, j in found),
        np.array(moved, np.bool_),
        np.array(carried, np.float64),
        pairs.scenes[visible],
    )


def _right(thought: Answered, amodal: Answered, strict: bool) -> float:
    """Tell whether a visible answer is right as the amodal one, as `Row.correct` does."""
    if amodal.truth is None:
        return float(thought.outcome == "absent")
    if thought.box is None:
        return 0.0
    fit = iou(thought.box, amodal.truth)
    return float(fit > THRESHOLD if strict else fit >= THRESHOLD)
