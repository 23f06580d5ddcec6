"""The reliability diagram: the share of right boxes against their score, raw and calibrated, a panel for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from egm_core.evaluate.reports.reliability import BINS, Judged, arrays, bins, calibrated, ece
from egm_core.evaluate.statistics import wilson
from egm_core.families import TASKS, Task
from egm_core.models.calibration import Curve

LOOKS = (("raw", "C1", "s"), ("calibrated", "C0", "o"))


def draw_reliability(judged: Sequence[Judged], curves: Mapping[Task, Curve], path: Path) -> None:
    """Draw the diagram as a picture file: points with Wilson's 95 % intervals, and below the number of boxes.

    Points on the diagonal keep their promise; those below it promise too much.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(9.0, 5.6), layout="constrained")
    FigureCanvasAgg(canvas)
    panels = canvas.subplots(2, len(TASKS), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False)
    for upper, lower, task in zip(panels[0], panels[1], TASKS, strict=True):
        own = [j for j in judged if j.task == task]
        upper.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
        for (name, color, marker), boxes in zip(LOOKS, (own, calibrated(own, curves)), strict=True):
            if not boxes:
                continue
            scores, right = arrays(boxes)
            points = bins(scores, right)
            x, y, _ = (np.array(column, np.float64) for column in zip(*points, strict=True))
            upper.errorbar(
                x,
                y,
                yerr=np.array([_arms(share, n) for _, share, n in points]).T,
                fmt=marker,
                color=color,
                capsize=2,
                label=f"{name}, ECE {ece(scores, right):.3f}",
            )
            lower.hist(scores, bins=BINS, range=(0, 1), histtype="step", color=color, linewidth=1.5)
        upper.set_title(f"{task} boxes, n {len(own)}")
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1)
        upper.grid(alpha=0.3)
        upper.legend(loc="lower right", frameon=False)
        lower.set_xlabel("score")
        lower.grid(alpha=0.3)
    panels[0][0].set_ylabel("share with IoU at least 0.5")
    panels[1][0].set_ylabel("boxes")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=120)


def _arms(share: float, count: int) -> tuple[float, float]:
    """Give Wilson's interval of a share as distances below and above it."""
    low, high = wilson(share * count, count)
    return max(share - low, 0.0), max(high - share, 0.0)
