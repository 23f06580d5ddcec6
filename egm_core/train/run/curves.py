"""Curves of a training run, drawn from its `metrics.jsonl` as one PNG.

    python -m egm_core.train.run.curves RUN_FOLDER

Draws what the run has logged of reward, accuracy, response length, entropy, KL and loss, and gives the rates
and norms below; can be called while the run goes on.
"""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.console import attempt, finish

PROG = "python -m egm_core.train.run.curves"
FILE = "curves.png"
# Title, unit, and the names under which trainers log it, the best first.
PANELS = (
    ("Reward", "mean per completion", ("reward",)),
    ("Accuracy", "share", ("accuracy", "rewards/accuracy/mean", "mean_token_accuracy")),
    ("Response length", "tokens", ("completions/mean_length",)),
    ("Entropy", "nats per token", ("entropy",)),
    ("KL to the reference", "nats per token", ("kl",)),
    ("Loss", "", ("loss",)),
    ("Attention on the object", "-log share", ("attention",)),
    ("Gradient norm", "", ("grad_norm",)),
    ("Learning rate", "", ("learning_rate",)),
)
NOISY = 40
EXACT = ("learning_rate",)


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a metrics file; a torn last line is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def series(rows: list[dict[str, Any]], names: tuple[str, ...]) -> tuple[str, list[int], list[float]] | None:
    """Give the first of the names that was logged, with its steps and values; None if none was."""
    for name in names:
        points = [(int(r["step"]), float(r[name])) for r in rows if "step" in r and r.get(name) is not None]
        if points:
            return name, [p[0] for p in points], [p[1] for p in points]
    return None


def draw(folder: Path) -> Path | None:
    """Draw a run's curves into its folder and give the file; None where nothing was logged yet."""
    rows = [r for r in read(folder / "metrics.jsonl") if "train_runtime" not in r]
    panels = [(title, unit, found) for title, unit, names in PANELS if (found := series(rows, names))]
    if not panels:
        return None
    # No pyplot: it would pick a display, and keep state that a trainer's process has no use for.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, unit, (name, steps, values)) in enumerate(panels, 1):
        axes = figure.add_subplot(lines, columns, place)
        smooth = _smooth(values) if name not in EXACT else None
        axes.plot(
            steps,
            values,
            color="#4878a8",
            alpha=0.3 if smooth else 1.0,
            linewidth=1.2,
            marker="." if len(values) < NOISY else "",
        )
        if smooth:
            axes.plot(steps, smooth, color="#1f3d5c", linewidth=1.8)
        axes.set_title(f"{title} ({name})" if name.replace("_", " ").lower() != title.lower() else title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.set_ylabel(unit, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    figure.suptitle(f"{folder.name}, {len(rows)} rows up to step {rows[-1].get('step', 0)}", fontsize=11)
    figure.savefig(folder / FILE, dpi=110)
    return folder / FILE


def _smooth(values: list[float]) -> list[float] | None:
    """Average each value with its neighbours, a twentieth of the run to either side; None for short runs.

    At the ends there are as many on the one side as on the other, lest a steep start look flat.
    """
    if len(values) < NOISY:
        return None
    reach = max(1, len(values) // 20)
    sides = [min(reach, i, len(values) - 1 - i) for i in range(len(values))]
    windows = [values[i - side : i + side + 1] for i, side in enumerate(sides)]
    return [sum(w) / len(w) for w in windows]


def main(arguments: list[str] | None = None) -> int:
    """Draw the curves of the folder on the command line; gives the exit status."""
    parser = Parser(
        prog=PROG,
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="a run's folder, with metrics.jsonl")
    notes.add_options(parser)
    options = parser.parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: _draw(options.folder))


def _draw(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; name the folder of a run")
    written = draw(folder)
    print(written or f"nothing was logged yet in {folder / 'metrics.jsonl'}")


if __name__ == "__main__":
    sys.exit(finish(main))
