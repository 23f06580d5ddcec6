"""The front of accuracy against what it costs: never, always, gated, an oracle's choice, and thoughts that are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.results import Result
from egm_core.evaluate.statistics import FEWEST, NAN, Figure, mean, resampled_means
from egm_core.evaluate.thinking.pairs import Floats, Pairs
from egm_core.grounder.gate import Gate

LEVEL = (0.025, 0.975)
_ALIKE = 1e-9


@dataclass(frozen=True)
class Point:
    """A way to choose when to think: its accuracy, tokens of reasoning and milliseconds a question.

    `kept` is the share of what always thinking gains, `spent` the share of its tokens; None where other questions were
    asked.
    """

    name: str
    accuracy: Figure
    tokens: float
    ms: float
    kept: Figure | None = None
    spent: float | None = None


def front(pairs: Pairs, gate: Gate, cuts: Mapping[str, Result] | None = None) -> list[Point]:
    """Measure each way on the same questions; `cuts` are results of thoughts that were cut, by name."""
    opened = np.array([gate.worth(seen) > 0 for seen in pairs.seen], np.float64)
    mends = np.asarray(pairs.gain > 0, np.float64)
    one, none = np.ones(len(pairs)), np.zeros(len(pairs))
    ways = [
        ("never", pairs.first, none, pairs.ms_first),
        ("gated", np.where(opened > 0, pairs.thought, pairs.first), opened, pairs.ms_first + opened * pairs.ms_thought),
        ("always", pairs.thought, one, pairs.ms_thought),
        ("oracle", np.maximum(pairs.first, pairs.thought), mends, pairs.ms_first + mends * pairs.ms_thought),
    ]
    points = [_point(pairs, name, right, thinks, ms) for name, right, thinks, ms in ways]
    return points + [_cut(name, result) for name, result in (cuts or {}).items()]


def _point(pairs: Pairs, name: str, right: Floats, thinks: Floats, ms: Floats) -> Point:
    spent = float((thinks * pairs.tokens).sum() / pairs.tokens.sum())
    return Point(
        name,
        mean(right.tolist(), pairs.scenes.tolist()),
        float((thinks * pairs.tokens).mean()),
        float(ms.mean()),
        _kept(pairs, right),
        spent,
    )


def _kept(pairs: Pairs, right: Floats) -> Figure:
    """Give the share of the gain that is kept, with its interval: both sums are drawn over the same scenes."""
    scenes = pairs.scenes.tolist()
    clusters = len(set(scenes))
    own, whole = (resampled_means(values.tolist(), scenes) for values in (right - pairs.first, pairs.gain))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.nanquantile(own / whole, LEVEL)
        value = (right - pairs.first).sum() / pairs.gain.sum()
    if clusters < FEWEST or high - low < _ALIKE:
        low, high = NAN, NAN
    return Figure(float(value), float(low), float(high), len(pairs), clusters)


def _cut(name: str, result: Result) -> Point:
    answers = result.answers
    seeds = [a.seed for a in answers]
    tokens = [float(a.thinking or 0) for a in answers]
    ms = float(result.about.get("ms_per_query") or "nan")
    return Point(name, mean([float(a.correct) for a in answers], seeds), float(np.mean(tokens)), ms)


def table(points: Sequence[Point]) -> str:
    """Write the front as Markdown."""
    lines = [
        "| thinking | right, % (95 %) | gain kept, % (95 %) | tokens of reasoning | of all, % | ms a question | n |",
        "| --- " * 7 + "|",
    ]
    for p in points:
        kept = "" if p.kept is None else f"{100 * p.kept.value:.0f}"
        # All and nothing are kept by definition, not by measurement.
        if p.kept is not None and p.name not in ("never", "always"):
            kept += f" ({written(p.kept, '.0f', 100)})"
        spent = "" if p.spent is None else f"{100 * p.spent:.0f}"
        right = f"{100 * p.accuracy.value:.1f} ({written(p.accuracy, scale=100)})"
        lines.append(f"| {p.name} | {right} | {kept} | {p.tokens:.1f} | {spent} | {p.ms:.0f} | {p.accuracy.count} |")
    return "\n".join(lines) + f"\n\n{legend('scenes')}"
