"""What scores are worth: how well they tell right boxes from wrong ones, and whether 0.8 is right in eight of ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, contains, intersection, iou, union
from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.results import Answered
from egm_core.evaluate.scores import THRESHOLD
from egm_core.evaluate.statistics import FEWEST, NAN, Figure
from egm_core.families import TASKS, Task
from egm_core.models.calibration import Curve

BINS = 10
RESAMPLES = 500
_ALIKE = 1e-9
NAMES = {"ece": "ECE", "auroc": "AUROC", "brier": "Brier"}
Floats = NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]


@dataclass(frozen=True)
class Judged:
    """A box that the grounder would publish: its score, and whether its IoU with the truth is at least 0.5."""

    seed: int
    task: Task
    score: float
    right: bool


def published(answers: Iterable[Answered]) -> list[Judged]:
    """Give the boxes that the grounder would publish for these answers.

    A box for something that is not there counts as wrong. An amodal box is published beside a visible one that it
    touches, and made to hold it, as in the grounder. Answers without a score are left out.
    """
    found: dict[tuple[int, str], dict[Task, Answered]] = {}
    for a in answers:
        if a.outcome == "found" and a.box is not None and a.score is not None:
            found.setdefault((a.seed, a.text), {})[a.task] = a
    judged = []
    for pair in found.values():
        visible, amodal = pair.get("visible"), pair.get("amodal")
        if visible is None or visible.box is None:
            continue
        judged.append(_judged(visible, visible.box))
        if amodal is not None and amodal.box is not None and intersection(amodal.box, visible.box) > 0:
            box = amodal.box if contains(amodal.box, visible.box) else union(amodal.box, visible.box)
            judged.append(_judged(amodal, box))
    return judged


def _judged(a: Answered, box: Box) -> Judged:
    assert a.score is not None
    return Judged(a.seed, a.task, a.score, a.truth is not None and iou(box, a.truth) >= THRESHOLD)


def fitted(judged: Sequence[Judged]) -> dict[Task, Curve]:
    """Fit the curve of each task that has boxes; ValueError where they are too few."""
    curves: dict[Task, Curve] = {}
    for task in TASKS:
        own = [j for j in judged if j.task == task]
        if own:
            curves[task] = Curve.fit([j.score for j in own], [j.right for j in own])
    if not curves:
        raise ValueError("no answer has a box with a score: the engine must give log-probabilities, the model boxes")
    return curves


def calibrated(judged: Iterable[Judged], curves: Mapping[Task, Curve]) -> list[Judged]:
    """Give the same boxes with the probabilities of the curves as scores."""
    return [replace(j, score=curves[j.task](j.score)) if j.task in curves else j for j in judged]


def bins(scores: Floats, right: Floats, count: int = BINS) -> list[tuple[float, float, int]]:
    """Sort answers into equally wide bins by score; gives mean score, share of right ones and number of each."""
    place = np.minimum((scores * count).astype(int), count - 1)
    members = [place == number for number in range(count)]
    return [(float(scores[m].mean()), float(right[m].mean()), int(m.sum())) for m in members if m.any()]


def ece(scores: Floats, right: Floats) -> float:
    """Give the expected calibration error: the mean distance of score and share of right ones, over ten bins."""
    return sum(n * abs(score - share) for score, share, n in bins(scores, right)) / len(scores)


def auroc(scores: Floats, right: Floats) -> float:
    """Give the probability that a right box has the higher score than a wrong one; NaN where either is missing."""
    good = int(right.sum())
    bad = len(right) - good
    if not good or not bad:
        return float("nan")
    _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(size) - (size - 1) / 2)[group.reshape(-1)]
    return float((ranks[right > 0.5].sum() - good * (good + 1) / 2) / (good * bad))


def brier(scores: Floats, right: Floats) -> float:
    """Give the mean squared distance of score and truth."""
    return float(((scores - right) ** 2).mean())


METRICS: dict[str, Metric] = {"ece": ece, "auroc": auroc, "brier": brier}


def measure(judged: Sequence[Judged], metric: Metric, resamples: int = RESAMPLES) -> Figure:
    """Give a metric with its 95 % bootstrap interval over scenes; none where they are few, or all alike.

    Resamples of few scenes have a larger ECE than the scenes themselves: chance alone sets shares apart from scores. So
    the interval is moved by what the resamples' mean lies off, and holds the value; it ends at 0 and 1.
    """
    scores, right = arrays(judged)
    _, scene = np.unique([j.seed for j in judged], return_inverse=True)
    members = np.split(np.argsort(scene, kind="stable"), np.cumsum(np.bincount(scene))[:-1])
    if len(members) < FEWEST:
        return Figure(metric(scores, right), NAN, NAN, len(judged), len(members))
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        index = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn.append(metric(scores[index], right[index]))
    value = metric(scores, right)
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    if not high - low >= _ALIKE:
        return Figure(value, NAN, NAN, len(judged), len(members))
    bias = float(np.nanmean(drawn)) - value
    return Figure(value, max(0.0, float(low) - bias), min(1.0, float(high) - bias), len(judged), len(members))


def arrays(judged: Sequence[Judged]) -> tuple[Floats, Floats]:
    """Give scores and rightness as arrays."""
    return np.array([j.score for j in judged], np.float64), np.array([j.right for j in judged], np.float64)


def table(judged: Sequence[Judged], curves: Mapping[Task, Curve]) -> str:
    """Print every metric before and after, for each task and both, as Markdown."""
    lines = ["| boxes | n | right, % | metric | raw score (95 %) | calibrated (95 %) |", "| --- " * 6 + "|"]
    for name in (*TASKS, "both"):
        own = [j for j in judged if name in (j.task, "both")]
        if not own:
            continue
        right = 100 * sum(j.right for j in own) / len(own)
        for key, metric in METRICS.items():
            cells = [_cell(measure(boxes, metric)) for boxes in (own, calibrated(own, curves))]
            lines.append(f"| {name} | {len(own)} | {right:.1f} | {NAMES[key]} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + f"\n\n{legend('scenes', wilson=False)}"


def _cell(figure: Figure) -> str:
    return "-" if math.isnan(figure.value) else f"{figure.value:.3f} ({written(figure, '.3f')})"
