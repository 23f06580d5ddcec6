"""A picture of the front: accuracy against tokens of reasoning, and against milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egm_core.evaluate.reports.intervals import marked
from egm_core.evaluate.thinking.front import Point


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw each way to choose with its 95 % interval; the line joins never, gated and always."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(9.0, 4.0), layout="constrained")
    FigureCanvasAgg(canvas)
    panels = canvas.subplots(1, 2, sharey=True)
    for panel, what in zip(panels, ("mean tokens of reasoning", "mean milliseconds"), strict=True):
        across = [point.tokens if what.endswith("reasoning") else point.ms for point in points]
        joined = [(x, 100 * p.accuracy.value) for x, p in zip(across, points, strict=True) if p.name in _JOINED]
        panel.plot(*zip(*sorted(joined), strict=True), color="0.8", zorder=0)
        for number, (x, point) in enumerate(zip(across, points, strict=True)):
            figure = point.accuracy
            arms = [[100 * (figure.value - figure.low)], [100 * (figure.high - figure.value)]]
            panel.errorbar(
                [x],
                [100 * figure.value],
                yerr=arms,
                fmt="o",
                color=f"C{number}",
                capsize=2,
                label=marked(point.name, figure),
            )
        panel.set_xlabel(what)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("right, %")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=150)


_JOINED = ("never", "gated", "always")
