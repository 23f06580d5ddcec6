"""A picture as the paper's Figure 5: accuracy against the time that an answer takes, as SVG or PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egm_core.evaluate.paper.latency import FIGURE_5
from egm_core.evaluate.reports.field_tables import Model
from egm_core.evaluate.reports.tables import markdown, number, percent
from egm_core.evaluate.statistics import Figure, mean


def milliseconds(model: Model) -> Figure:
    """Give the mean time of an answer in ms; ValueError where no time was measured."""
    timed = [a for result in model.results for a in result.answers if a.seconds]
    if not timed:
        raise ValueError(f"{model.results[0].path} tells no times, so it has no place beside others: evaluate it again")
    return mean([1000 * (a.seconds or 0.0) for a in timed], [a.seed for a in timed])


def table(models: Sequence[Model]) -> str:
    """Print each model's time and accuracy, and under what load and on what machine they were measured."""
    rows = []
    for model in models:
        about = model.results[0].about
        cells = [number(milliseconds(model)), percent(model.macro()), str(about["asked"]), str(about["machine"])]
        rows.append([model.name, *cells])
    return markdown(["", "ms an answer", "mean Acc@0.5, %", "asked", "machine"], rows)


def draw(models: Sequence[Model], path: Path, with_paper: bool) -> None:
    """Draw models with their intervals into an .svg or .png file; `with_paper` adds the paper's own, in grey."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(7.5, 5.0), layout="constrained")
    FigureCanvasAgg(canvas)
    panel = canvas.subplots()
    for count, model in enumerate(models):
        ms, accuracy = milliseconds(model), model.macro()
        panel.errorbar(
            [ms.value], [100 * accuracy.value],
            xerr=[[ms.value - ms.low], [ms.high - ms.value]],
            yerr=[[100 * (accuracy.value - accuracy.low)], [100 * (accuracy.high - accuracy.value)]],
            fmt="o", color=f"C{count % 10}", capsize=2,
            label=f"{model.name}: {model.results[0].about['asked']}, {model.results[0].about['machine']}",
        )  # fmt: skip
    if with_paper:
        for point in FIGURE_5:
            panel.plot([point.ms], [point.accuracy], "x", color="0.6")
            panel.annotate(point.model, (point.ms, point.accuracy), fontsize=6, color="0.5")
        panel.plot([], [], "x", color="0.6", label="paper: on L20 GPUs, most read off its figure")
    panel.set_xscale("log")
    panel.set_xlabel("milliseconds an answer")
    panel.set_ylabel("mean Acc@0.5, %")
    panel.grid(alpha=0.3, which="both")
    panel.legend(loc="lower right", fontsize=7, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a date, so that the same results give the same file.
    canvas.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
