"""Answers that need no model, scored beside it: how far the visible box alone goes on amodal questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from egm_core.boxes import Box
from egm_core.evaluate.samples import growth as growing
from egm_core.evaluate.samples.growth import Growth
from egm_core.evaluate.samples.questions import Question

# Beside generated scenes stands another baseline, a model's own visible box copied.
COPY, ENLARGED, HULL = "true visible box copied", "visible box enlarged", "hull of the visible mask"
# What files of earlier versions call it.
EARLIER = {"copy of the visible box": COPY}
LARGEST, WHOLE = "largest object", "whole image"
# What a command line calls them.
RULES = {"copy": COPY, "enlarged": ENLARGED, "hull": HULL, "largest": LARGEST, "image": WHOLE}
Answers = Mapping[str, Box | None]

HULL_NOTE = (
    "The box around a mask's convex hull is the box around the mask. So the hull answers with the true visible box, "
    f"whether masks are kept or not: its line is that of the {COPY}."
)
LARGEST_NOTE = "The largest object is the one with the largest visible box that the files have of the image."


def baselines(questions: Sequence[Question], growth: Growth | None = None) -> dict[str, Answers]:
    """Give each baseline's boxes by the name of the question, for those whose object is there.

    Without the growth of a training file, each box is enlarged by the mean of the questions about other pictures.
    """
    present = [question for question in questions if question.truth is not None]
    rules: dict[str, Callable[[Question], Box | None]] = {
        COPY: lambda q: q.visible,
        HULL: lambda q: q.visible,
        LARGEST: lambda q: q.largest,
        WHOLE: lambda q: (0.0, 0.0, float(q.sample.width), float(q.sample.height)),
    }
    found = {name: {q.name: rule(q) for q in present} for name, rule in rules.items()}
    larger = {q.name: growth.grown(q.sample) for q in present} if growth else _among_others(present)
    return {COPY: found.pop(COPY), ENLARGED: larger, **found}


def notes(questions: Sequence[Question], growth: Growth | None) -> list[str]:
    """Say what a reader of the baselines has to know: by how much boxes are enlarged, and what stands in where."""
    hidden = [q.sample for q in questions if q.truth is not None and q.visible and q.sample.visible_fraction != 1]
    known = sum(bool(growing.facing(box, s.occluder_boxes).any()) for s in hidden if (box := s.truth("visible")))
    if growth:
        told = f"Enlarged {growth.words()}."
    else:
        told = (
            "Enlarged by the mean of the other images of these very files, which a baseline should not see: give a "
            "training file by --growth."
        )
    sides = (
        f"{known:,} of {len(hidden):,} partly hidden objects have an occluder at a side of their visible box and grow "
        "there; the others grow on all sides."
    )
    return [told, sides, HULL_NOTE, LARGEST_NOTE]


def _among_others(questions: Sequence[Question]) -> Answers:
    """Enlarge each visible box by the mean of the questions about other pictures."""
    total: growing.Sums = np.zeros(7)
    own: dict[int, growing.Sums] = {}
    for q in questions:
        if (found := growing.sums(q.sample)) is not None:
            total = total + found
            own[q.cluster] = own.get(q.cluster, np.zeros(7)) + found
    nothing = np.zeros(7)
    means = {c: growing.mean(total - own.get(c, nothing), 0, "") for c in {q.cluster for q in questions}}
    return {q.name: means[q.cluster].grown(q.sample) for q in questions}
