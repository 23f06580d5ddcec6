"""A picture of the figures: milliseconds of an answer and of a token against the load, floors dashed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from egm_core.bench.cells import Cell
from egm_core.bench.spread import Spread

_Panel = tuple[str, Callable[[Cell], Spread | None], Callable[[Cell], float | None]]
_PANELS: tuple[_Panel, ...] = (
    ("milliseconds to the first token", lambda c: c.first, lambda c: c.floor.first if c.floor else None),
    ("milliseconds a token", lambda c: c.token, lambda c: c.floor.token if c.floor else None),
    ("milliseconds an answer", lambda c: c.total, lambda c: c.floor.total if c.floor else None),
)


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Draw cells into an .svg or .png file: medians with arms to the 95th percentile, and each engine's floor."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas: Any = Canvas(figsize=(11.0, 4.2), layout="constrained")
    FigureCanvasAgg(canvas)
    *panels, rate = canvas.subplots(1, len(_PANELS) + 1)
    lines = _lines(cells)
    for panel, (title, value, floor) in zip(panels, _PANELS, strict=True):
        for number, (name, mine) in enumerate(lines.items()):
            timed = [(cell, found) for cell in mine if (found := value(cell)) is not None]
            if not timed:
                continue
            across = [cell.at_once for cell, _ in timed]
            arms = [[0.0] * len(timed), [found.p95 - found.median for _, found in timed]]
            panel.errorbar(across, [found.median for _, found in timed], yerr=arms, fmt="o-", color=f"C{number}",
                           capsize=2, markersize=4, label=name)  # fmt: skip
            least = [(cell.at_once, low) for cell, _ in timed if (low := floor(cell)) is not None]
            if least:
                panel.plot(*zip(*least, strict=True), "x--", color=f"C{number}", alpha=0.5, markersize=4)
        panel.set_yscale("log")
        _axes(panel, title)
    for number, mine in enumerate(lines.values()):
        rate.plot([c.at_once for c in mine], [c.a_second for c in mine], "o-", color=f"C{number}", markersize=4)
    rate.set_ylim(bottom=0)
    _axes(rate, "questions a second")
    handles, labels = panels[-1].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False,
                  title="arms: 95th percentile; dashed: the floor", title_fontsize=8)  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _axes(panel: Any, title: str) -> None:
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
    panel.set_xlabel("questions at once")
    panel.set_title(title, fontsize=9)
    panel.grid(alpha=0.3)


def _lines(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    sizes = {cell.size for cell in cells}
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.total:
            name = f"{cell.engine}, {cell.size}" if len(sizes) > 1 else cell.engine
            found.setdefault(name, []).append(cell)
    return {name: sorted(mine, key=lambda c: c.at_once) for name, mine in found.items()}
