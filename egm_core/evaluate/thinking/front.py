"""The front of accuracy against what it costs: never, always, gated, an oracle's choice, and thoughts that are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.results import Result
from egm_core.evaluate.statistics import Figure, mean, ratio
from egm_core.evaluate.thinking.pairs import Floats, Pairs
from egm_core.evaluate.thinking.twins import twins
from egm_core.grounder.gate_file import Gates


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


def front(pairs: Pairs, gates: Gates, cuts: Mapping[str, Result] | None = None) -> list[Point]:
    """Measure each way on the same questions; `cuts` are results of thoughts that were cut, by name.

    "gated" asks for both boxes at once where both were asked for, "gated alone" takes each question by itself. "shared"
    needs no gate: it thinks always, and where both boxes were asked for about the visible one alone.
    """
    opened = np.array([gates.alone.worth(seen) > 0 for seen in pairs.seen], np.float64)
    mends = np.asarray(pairs.gain > 0, np.float64)
    one, none = np.ones(len(pairs)), np.zeros(len(pairs))
    ways = [
        ("never", pairs.first, none, pairs.ms_first),
        *_gated(pairs, gates, opened),
        ("always", pairs.thought, one, pairs.ms_thought),
        ("oracle", np.maximum(pairs.first, pairs.thought), mends, _twice(pairs, mends)),
    ]
    points = [_point(pairs, name, right, thinks, ms) for name, right, thinks, ms in ways]
    return points + [_cut(name, result) for name, result in (cuts or {}).items()]


def _gated(pairs: Pairs, gates: Gates, opened: Floats) -> list[tuple[str, Floats, Floats, Floats]]:
    alone = np.where(opened > 0, pairs.thought, pairs.first)
    if gates.together is None:
        return [("gated", alone, opened, _twice(pairs, opened))]
    right, thinks = alone.copy(), opened.copy()
    both = twins(pairs)
    for seen, visible, amodal, carried in zip(
        both.seen, both.visible.tolist(), both.amodal.tolist(), both.carried.tolist(), strict=True
    ):
        wanted = gates.together.wanted(seen)
        for task, place in (("visible", visible), ("amodal", amodal)):
            thinks[place] = float(task in wanted)
            right[place] = pairs.thought[place] if task in wanted else pairs.first[place]
        if wanted == ("visible",):
            right[amodal] = carried
    served, one = pairs.thought.copy(), np.ones(len(pairs))
    served[both.amodal], one[both.amodal] = both.carried, 0.0
    return [
        ("gated", right, thinks, _twice(pairs, thinks)),
        ("gated alone", alone, opened, _twice(pairs, opened)),
        ("shared", served, one, np.where(one > 0, pairs.ms_thought, pairs.ms_first)),
    ]


def _twice(pairs: Pairs, thinks: Floats) -> Floats:
    """Give the milliseconds of a first answer, and of thinking after some."""
    return np.asarray(pairs.ms_first + thinks * pairs.ms_thought, np.float64)


def _point(pairs: Pairs, name: str, right: Floats, thinks: Floats, ms: Floats) -> Point:
    spent = float((thinks * pairs.tokens).sum() / pairs.tokens.sum())
    return Point(
        name,
        mean(right.tolist(), pairs.scenes.tolist()),
        float((thinks * pairs.tokens).mean()),
        float(ms.mean()),
        ratio((right - pairs.first).tolist(), pairs.gain.tolist(), pairs.scenes.tolist()),
        spent,
    )


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
