"""A picture of what reasoning costs and brings: accuracy against mean reasoning tokens, a colour for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from egm_core.evaluate.reports.intervals import marked
from egm_core.evaluate.results import Result, of, reasoning_tokens, right
from egm_core.evaluate.statistics import Figure
from egm_core.families import TASKS


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw results with their 95 % intervals, a panel for each task, as a picture file; needs their token counts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    silent = [str(r.path) for r in results if r.figure(reasoning_tokens).count == 0]
    if silent:
        raise ValueError(f"{', '.join(silent)} tells no reasoning tokens, so that it has no place in the chart")
    canvas = Canvas(figsize=(9.0, 4.0), layout="constrained")
    FigureCanvasAgg(canvas)
    panels = canvas.subplots(1, len(TASKS), sharey=True)
    for panel, task in zip(panels, TASKS, strict=True):
        for number, result in enumerate(results):
            tokens = result.figure(reasoning_tokens, of(task), share=False)
            accuracy = result.figure(right, of(task))
            panel.errorbar(
                [tokens.value],
                [100 * accuracy.value],
                xerr=_arms(tokens, 1.0),
                yerr=_arms(accuracy, 100.0),
                fmt="o" if result.reasoned else "s",
                color=f"C{number % 10}",
                fillstyle="full" if number < 10 else "none",
                capsize=2,
                label=marked(result.name, accuracy),
            )
        panel.set_title(f"{task} questions")
        panel.set_xlabel("mean reasoning tokens")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("Acc@0.5, %")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=150)


def _arms(figure: Figure, scale: float) -> list[list[float]]:
    """Give an interval as matplotlib's distances below and above the value."""
    below, above = (scale * arm for arm in (figure.value - figure.low, figure.high - figure.value))
    return [[below if math.isnan(below) else max(below, 0.0)], [above if math.isnan(above) else max(above, 0.0)]]
