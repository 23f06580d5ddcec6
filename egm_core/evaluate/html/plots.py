"""The plots of a report as SVG text, in the page's own ink, so that a dark page has light axes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egm_core.evaluate.html.runs import Run
from egm_core.evaluate.html.tables import OUTCOMES, accuracy, pairs_of, rule
from egm_core.evaluate.statistics import FEWEST

# Stands for the page's ink, which CSS decides.
INK = "#010203"
COLORS = ("#e8730c", "#2f7fe0", "#8e5bd0", "#0d9f8a", "#c9356b", "#8a7a12")
SHADES = {"found": 0.95, "absent": 0.6, "malformed": 0.35, "failed": 0.15}
THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Plot:
    """A plot's title and its SVG."""

    title: str
    svg: str


def plots(runs: Sequence[Run], names: Sequence[str]) -> list[Plot]:
    """Draw what the runs allow."""
    made = []
    for task in sorted({q.task for run in runs for q in run.questions}, reverse=True):
        made.append(Plot(f"{task}: accuracy by IoU threshold", _thresholds(runs, names, task)))
        asked = [q for run in runs for q in run.questions if q.task == task]
        kinds = sorted({kind for q in asked if q.truth is not None for kind in q.groups.get("kind", ())})
        if len(kinds) > 1:
            title = f"{task}: accuracy by kind of expression"
            few = [accuracy(pairs_of(run, task, "kind", kind)) for run in runs for kind in kinds]
            if any(f.count and not f.bounded for f in few):
                title += f"; bars without a whisker are of fewer than {FEWEST} pictures"
            made.append(Plot(title, _bars(runs, names, task, kinds)))
    made.append(Plot("what the answers were", _outcomes(runs, names)))
    return made


def _thresholds(runs: Sequence[Run], names: Sequence[str], task: str) -> str:
    canvas, panel = _canvas(4.7, 3.0)
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        fits = [a.iou for _, a in pairs_of(run, task) if a.iou is not None]
        if fits:
            reached = np.greater_equal if run.at_least else np.greater
            shares = [100 * float(np.mean(reached(fits, t))) for t in THRESHOLDS]
            panel.plot(THRESHOLDS, shares, marker="o", markersize=3, color=COLORS[number % len(COLORS)],
                       label=f"{name}, {rule(run)}")  # fmt: skip
    panel.set_ylim(0, 100)
    panel.set_xlabel("IoU threshold")
    panel.set_ylabel("% of the objects that are there")
    panel.legend(frameon=False, labelcolor=INK, fontsize=9)
    return _svg(canvas)


def _bars(runs: Sequence[Run], names: Sequence[str], task: str, kinds: Sequence[str]) -> str:
    canvas, panel = _canvas(4.7, 3.0)
    width = 0.8 / len(runs)
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        figures = [accuracy(pairs_of(run, task, "kind", kind)) for kind in kinds]
        values = [100 * f.value for f in figures]
        arms = np.array([[f.value - f.low for f in figures], [f.high - f.value for f in figures]])
        places = np.arange(len(kinds)) + (number - (len(runs) - 1) / 2) * width
        color = COLORS[number % len(COLORS)]
        panel.bar(
            places,
            values,
            width * 0.92,
            yerr=100 * np.maximum(arms, 0),
            color=color,
            ecolor=INK,
            capsize=2,
            label=name,
            error_kw={"linewidth": 1},
        )
    panel.set_xticks(np.arange(len(kinds)), kinds, rotation=20 if len(kinds) > 5 else 0)
    panel.set_ylim(0, 100)
    panel.set_ylabel("Acc@0.5, %")
    if len(runs) > 1:
        panel.legend(frameon=False, labelcolor=INK, fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    return _svg(canvas)


def _outcomes(runs: Sequence[Run], names: Sequence[str]) -> str:
    canvas, panel = _canvas(4.7, 0.9 + 0.45 * len(runs))
    labels = (("right", 1.0), ("wrong box", SHADES["absent"]), ("absent", SHADES["malformed"]),
              ("malformed", 0.22), ("failed", 0.1))  # fmt: skip
    for number, run in enumerate(runs):
        counts = [sum(a.right for a in run.answers), *(
            sum(a.outcome == outcome and not a.right for a in run.answers) for outcome in OUTCOMES
        )]  # fmt: skip
        left = 0.0
        for count, (label, shade) in zip(counts, labels, strict=True):
            share = 100 * count / len(run.answers)
            color = COLORS[number % len(COLORS)]
            panel.barh(number, share, 0.62, left=left, color=color, alpha=shade, edgecolor=INK, linewidth=0.4)
            if share > 14:
                middle = left + share / 2
                panel.text(middle, number, f"{label} {share:.0f}", ha="center", va="center", fontsize=8, color=INK)
            left += share
    panel.set_yticks(range(len(runs)), names)
    panel.invert_yaxis()
    panel.set_xlim(0, 100)
    panel.set_xlabel("% of the answers")
    panel.grid(False)
    return _svg(canvas)


def _canvas(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(canvas)
    canvas.patch.set_alpha(0)
    panel = canvas.subplots()
    panel.patch.set_alpha(0)
    panel.grid(alpha=0.2, color=INK)
    panel.tick_params(colors=INK, labelsize=9)
    for spine in panel.spines.values():
        spine.set_color(INK)
        spine.set_alpha(0.5)
    for axis in (panel.xaxis, panel.yaxis):
        axis.label.set_color(INK)
    return canvas, panel


def _svg(canvas: Any) -> str:
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "egm"}):
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1system-ui, sans-serif", text)
    return re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", text, count=1)
