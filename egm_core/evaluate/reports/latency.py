"""Accuracy against the time that an answer takes, as the paper's Figure 5: a table, and a picture as SVG or PNG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.evaluate.paper.latency import FIGURE_5
from egm_core.evaluate.reports.field_tables import Model
from egm_core.evaluate.reports.intervals import legend, marked
from egm_core.evaluate.reports.tables import markdown, number, percent
from egm_core.evaluate.results import forbidden
from egm_core.evaluate.statistics import NAN, Figure, mean

SHARED = "the batch's time, shared out"
# So many lines are a column of the picture's list.
_ROWS = 40


@dataclass(frozen=True)
class _Point:
    """A model's place in the picture: its line in the list, its place, and how far its intervals reach."""

    label: str
    ms: float
    accuracy: float
    across: tuple[float, float] = (0.0, 0.0)
    along: tuple[float, float] = (0.0, 0.0)
    ours: bool = True


@dataclass(frozen=True)
class Times:
    """Each answer's milliseconds as they were measured apart from the evaluation; how they were asked, and on what."""

    answer_ms: tuple[float, ...]
    asked: str
    machine: str

    @property
    def ms(self) -> Figure:
        """The mean time of an answer, with its interval."""
        return mean(list(self.answer_ms), list(range(len(self.answer_ms))), share=False)


def shared_out(model: Model) -> bool:
    """Tell whether answers were made in batches, whose time was divided by their number: no answer was timed alone."""
    return any(_load(result.about)[0].startswith("in batches") for result in model.results)


def milliseconds(model: Model) -> Figure:
    """Give the mean time of an answer in ms; ValueError where no time was measured.

    Times that were shared out differ between batches, not answers, and have no interval.
    """
    timed = [a for result in model.results for a in result.answers if a.seconds]
    if not timed:
        raise ValueError(f"{model.results[0].path} tells no times, so it has no place beside others: evaluate it again")
    found = mean([1000 * (a.seconds or 0.0) for a in timed], [a.seed for a in timed], share=False)
    return replace(found, low=NAN, high=NAN) if shared_out(model) else found


def table(models: Sequence[Model], with_paper: bool = False, times: Mapping[str, Times] | None = None) -> str:
    """Print each model's time and accuracy, and under what load and on what machine they were measured.

    `times` are measured ones by a model's name, in place of the evaluation's own.
    """
    rows = []
    for model in models:
        about, benched = model.results[0].about, (times or {}).get(model.name)
        ms = benched.ms if benched else milliseconds(model)
        time = f"{ms.value:.1f} ({SHARED})" if shared_out(model) and not benched else number(ms)
        told = (benched.asked, benched.machine) if benched else _load(about)
        rows.append([model.name, time, percent(model.macro()), _rule(model), *told])
    if with_paper:
        rows += [[f"{point.model}, paper", f"{point.ms:g}", f"{point.accuracy:.1f}", "IoU > 0.5", "not told",
                  "L20 GPUs; " + ("printed" if point.printed else "read off its figure")]
                 for point in FIGURE_5]  # fmt: skip
    head = ["", "ms an answer", "mean Acc@0.5, %", "success", "asked", "machine"]
    return f"{markdown(head, rows)}\n\n{legend()}"


def draw(models: Sequence[Model], path: Path, with_paper: bool, times: Mapping[str, Times] | None = None) -> None:
    """Draw models with their intervals into an .svg or .png file; `with_paper` adds the paper's own, in grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a date, so that the same results give the same file.
    drawn(models, with_paper, times).savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def drawn(models: Sequence[Model], with_paper: bool, times: Mapping[str, Times] | None = None) -> Any:
    """Give the picture as matplotlib's figure.

    Points bear numbers, and a list beside the panel says whose they are: names would lie over one another.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    points = [_own(model, (times or {}).get(model.name)) for model in models]
    if with_paper:
        points += [_Point(p.model, p.ms, p.accuracy, ours=False) for p in sorted(FIGURE_5, key=lambda p: p.ms)]
    canvas = Canvas(figsize=(10.5, 5.5), layout="constrained")
    FigureCanvasAgg(canvas)
    panel: Any = canvas.subplots()
    for count, point in enumerate(points):
        label = f"{count + 1}  {point.label}"
        if point.ours:
            panel.errorbar(
                [point.ms], [point.accuracy], xerr=[[v] for v in point.across], yerr=[[v] for v in point.along],
                fmt="o", color=f"C{count % 10}", capsize=2, label=label,
            )  # fmt: skip
        else:
            panel.plot([point.ms], [point.accuracy], "x", color="0.45", label=f"{label}, {point.ms:g} ms")
    panel.set_xscale("log")
    panel.margins(0.08)
    panel.set_xlabel("milliseconds an answer")
    panel.set_ylabel("mean Acc@0.5, %")
    panel.grid(alpha=0.3, which="both")
    title = "grey: the paper's, on L20 GPUs, most read off its figure" if with_paper else None
    listed = canvas.legend(loc="outside right upper", fontsize=7, title_fontsize=7, frameon=False, title=title,
                           ncols=1 + (len(points) - 1) // _ROWS)  # fmt: skip
    canvas.draw_without_rendering()
    # Many results with their load and machine are a list taller than the picture: the picture grows with it.
    need = listed.get_window_extent().height / canvas.dpi + 0.3
    if need > canvas.get_figheight():
        canvas.set_figheight(need)
        canvas.draw_without_rendering()
    _number(panel, points)
    return canvas


def _load(about: Mapping[str, Any]) -> tuple[str, str]:
    """How answers were asked for, and on what machine; files mended by hand may not tell."""
    manner = ", no reasoning" if forbidden(about) else ""
    return str(about.get("asked") or "not told") + manner, str(about.get("machine") or "not told")


def _rule(model: Model) -> str:
    return f"IoU {'>' if model.results[0].about['strict'] else '>='} 0.5"


def _own(model: Model, times: Times | None) -> _Point:
    ms, accuracy, about = times.ms if times else milliseconds(model), model.macro(), model.results[0].about
    asked, machine = (times.asked, times.machine) if times else _load(about)
    label = f"{marked(f'{model.name}, {_rule(model)}', accuracy)}\n    {asked}\n    {machine}"
    return _Point(
        label, ms.value, 100 * accuracy.value, (ms.value - ms.low, ms.high - ms.value),
        (100 * (accuracy.value - accuracy.low), 100 * (accuracy.high - accuracy.value)),
    )  # fmt: skip


def _number(panel: Any, points: Sequence[_Point]) -> None:
    """Write each point's number beside it: on the first side that is free of other points and numbers."""
    taken = [panel.transData.transform((p.ms, p.accuracy)) for p in points]
    sides = ((9, 0), (-9, 0), (0, 9), (0, -9), (8, 8), (-8, 8), (8, -8), (-8, -8), (16, 0), (-16, 0), (0, 16), (0, -16))
    scale = panel.figure.dpi / 72
    for count, point in enumerate(points):
        x, y = taken[count]
        others = [other for index, other in enumerate(taken) if index != count]
        rooms = {side: _room(x + side[0] * scale, y + side[1] * scale, others) for side in sides}
        best = next((side for side in sides if rooms[side] > 12 * scale), None) or max(sides, key=rooms.__getitem__)
        panel.annotate(
            str(count + 1), (point.ms, point.accuracy), xytext=best, textcoords="offset points", fontsize=7,
            ha="center", va="center", color="black" if point.ours else "0.3",
        )  # fmt: skip
        taken.append((x + best[0] * scale, y + best[1] * scale))


def _room(x: float, y: float, others: Sequence[Any]) -> float:
    return min((math.hypot(x - other[0], y - other[1]) for other in others), default=math.inf)
