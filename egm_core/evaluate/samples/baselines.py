"""Answers that need no model, scored beside it: how far the visible box alone goes on amodal questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from egm_core.boxes import Box, clip
from egm_core.evaluate.samples.questions import Question

COPY, ENLARGED, WHOLE = "copy of the visible box", "visible box enlarged", "whole image"
Answers = Mapping[str, Box | None]


def baselines(questions: Sequence[Question]) -> dict[str, Answers]:
    """Give each baseline's boxes by the name of the question, for those whose object is there."""
    present = [question for question in questions if question.truth is not None]
    return {
        COPY: {question.name: question.visible for question in present},
        ENLARGED: enlarged(present),
        WHOLE: {q.name: (0.0, 0.0, float(q.sample.width), float(q.sample.height)) for q in present},
    }


def enlarged(questions: Sequence[Question]) -> Answers:
    """Enlarge each visible box on every side by the mean of the questions about other pictures.

    The mean is that of the shares by which amodal boxes stand out of visible ones, in widths and heights of these.
    """
    known = [(q.cluster, _growth(q)) for q in questions if q.visible is not None]
    if not known:
        return dict.fromkeys((q.name for q in questions), None)
    total, count = np.sum([growth for _, growth in known], axis=0), len(known)
    sums: dict[int, tuple[np.ndarray, int]] = {}
    for cluster, growth in known:
        before, number = sums.get(cluster, (np.zeros(4), 0))
        sums[cluster] = (before + growth, number + 1)
    boxes: dict[str, Box | None] = {}
    for q in questions:
        own, number = sums.get(q.cluster, (np.zeros(4), 0))
        rest = (total - own) / (count - number) if count > number else np.zeros(4)
        boxes[q.name] = None if q.visible is None else clip(_grown(q.visible, rest), q.sample.width, q.sample.height)
    return boxes


def _growth(question: Question) -> np.ndarray:
    """Give how far the true box stands out of the visible one: left, top, right, bottom."""
    seen, whole = question.visible, question.truth
    assert seen is not None and whole is not None
    wide, high = seen[2] - seen[0], seen[3] - seen[1]
    return np.array([seen[0] - whole[0], seen[1] - whole[1], whole[2] - seen[2], whole[3] - seen[3]]) / [
        wide, high, wide, high,
    ]  # fmt: skip


def _grown(box: Box, growth: np.ndarray) -> Box:
    wide, high = box[2] - box[0], box[3] - box[1]
    left, top, right, bottom = (float(v) for v in growth * [wide, high, wide, high])
    return box[0] - left, box[1] - top, box[2] + right, box[3] + bottom
