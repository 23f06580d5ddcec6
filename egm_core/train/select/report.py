"""What a selection found, in numbers, in words and as histograms."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.reward import THRESHOLD
from egm_core.train.select.selection import Selection

BINS = 20


def task_report(
    questions: int,
    absent: NDArray[np.bool_],
    learner: NDArray[np.float64],
    reference: NDArray[np.float64] | None,
    selection: Selection,
) -> dict[str, Any]:
    """Give the counts of a task: what was asked, what either model gets right, and what was chosen.

    `absent`, `learner` and `reference` are the (N,) arrays that `choose` had; a NaN of the reference was not asked.
    """
    return {
        "questions": questions,
        "scored": len(learner),
        "absent": int(absent.sum()),
        "learner": _scores_report(learner, absent),
        "reference": None if reference is None else _scores_report(reference, absent),
        "learnable": _counts(selection.learnable, absent),
        "easy": _counts(selection.easy, absent),
        "besides": len(selection.besides),
        "solved": selection.solved,
        "unsolved": selection.unsolved,
        "buckets": [asdict(bucket) for bucket in selection.buckets],
        "chosen": len(selection.learnable) + len(selection.easy) + len(selection.besides),
    }


def _counts(rows: NDArray[np.int64], absent: NDArray[np.bool_]) -> dict[str, int]:
    return {"all": len(rows), "absent": int(absent[rows].sum())}


def _scores_report(values: NDArray[np.float64], absent: NDArray[np.bool_]) -> dict[str, Any]:
    asked = ~np.isnan(values)
    boxes = values[asked & ~absent]
    return {
        "asked": int(asked.sum()),
        "right": int((values[asked] >= THRESHOLD).sum()),
        "absent": int((asked & absent).sum()),
        "absent_right": int((values[asked & absent] >= THRESHOLD).sum()),
        "mean_iou": float(boxes.mean()) if len(boxes) else None,
        "iou_histogram": np.histogram(boxes, BINS, (0.0, 1.0))[0].tolist(),
    }


def report_text(report: dict[str, Any]) -> str:
    """Say a report in words: a line of totals, and some lines for each task."""
    lines = [
        f"learner {report['learner']}, reference {report['reference']}, easy samples: {report['easy']}, "
        f"seed {report['seed']}"
    ]
    for task, found in report["tasks"].items():
        lines.append(f"\n{task}: {found['questions']} questions, {found['absent']} of them about absent objects")
        if "learner" not in found:
            lines.append(f"  all {found['chosen']} are taken unasked")
            continue
        if found["scored"] < found["questions"]:
            lines.append(f"  {found['questions'] - found['scored']} have no score and are left out")
        for role in ("learner", "reference"):
            if found[role] is None:
                lines.append(f"  {role:<9} counts as right about everything")
            else:
                lines.append(f"  {role:<9} {_words(found[role])}")
        learnable, easy = found["learnable"], found["easy"]
        lines.append(f"  learnable {learnable['all']} ({learnable['absent']} absent)")
        short = "" if easy["all"] == learnable["all"] else f", {learnable['all']} wanted"
        lines.append(f"  easy      {easy['all']} ({easy['absent']} absent) of {found['solved']} solved{short}")
        for bucket in found["buckets"]:
            lines.append(
                f"    IoU from {bucket['low']:.1f}: {bucket['taken']} of {bucket['there']}, {bucket['wanted']} wanted"
            )
        if found["besides"]:
            lines.append(f"  besides   {found['besides']} absent")
        lines.append(f"  {found['unsolved']} are solved by neither; {found['chosen']} are chosen")
    left = report["left_out"]
    if left["records"] or left["questions"]:
        lines.append(f"\nleft out: {left['records']} records, {left['questions']} questions; see left_out.jsonl")
    lines.append(f"\n{report['samples']} samples")
    return "\n".join(lines)


def _words(scores: dict[str, Any]) -> str:
    if not scores["asked"]:
        return "was asked nothing"
    mean = "" if scores["mean_iou"] is None else f", mean IoU {scores['mean_iou']:.3f}"
    absent = f", absent {scores['absent_right']} of {scores['absent']}" if scores["absent"] else ""
    return f"right in {scores['right']} of {scores['asked']} ({scores['right'] / scores['asked']:.1%}){mean}{absent}"


def draw(report: dict[str, Any], file: Path) -> None:
    """Draw the histograms of the IoUs, one panel a task and model, into a PNG."""
    # No pyplot: it would pick a display, and keep state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        (f"{task}, {role}", found[role])
        for task, found in report["tasks"].items()
        for role in ("learner", "reference")
        if found.get(role) is not None
    ]
    if not panels:
        return
    figure = Figure(figsize=(5 * len(panels), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    edges = np.linspace(0, 1, BINS + 1)
    for axes, (title, scores) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.stairs(scores["iou_histogram"], edges, fill=True)
        axes.axvline(THRESHOLD, color="black", linewidth=1, linestyle="--")
        axes.set(title=f"{title}: right {scores['right']} of {scores['asked']}", xlabel="IoU", ylabel="questions")
    figure.savefig(file, dpi=120)
