"""How tightly amodal boxes fit where one thought serves both: a visible box in their place may be right, and short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from egm_core.boxes import Box, iou
from egm_core.evaluate.reports.intervals import written
from egm_core.evaluate.statistics import Figure, mean
from egm_core.evaluate.thinking.pairs import Pairs
from egm_core.evaluate.thinking.twins import twins
from egm_core.grounder.gate_file import Gates

STRICT = 0.75


@dataclass(frozen=True)
class Tight:
    """A way to choose when to think: mean IoU of its amodal boxes, and the share of those with more than 0.75."""

    name: str
    mean_iou: Figure
    strict: Figure


def tight(pairs: Pairs, gates: Gates) -> list[Tight]:
    """Measure the amodal boxes of objects that are there, of which the visible one was asked for, too."""
    if gates.together is None:
        return []
    both = twins(pairs)
    fits: dict[str, list[float]] = {name: [] for name in ("never", "gated", "shared", "always")}
    scenes = []
    for k, (visible, amodal) in enumerate(zip(both.visible.tolist(), both.amodal.tolist(), strict=True)):
        truth = pairs.answers[amodal].truth
        if truth is None:
            continue
        first, always = _fit(pairs.answers[amodal].box, truth), _fit(pairs.thoughts[amodal].box, truth)
        shared = _fit(pairs.thoughts[visible].box, truth) if both.moved[k] else first
        wanted = gates.together.wanted(both.seen[k])
        gated = always if "amodal" in wanted else shared if wanted else first
        for name, fit in {"never": first, "gated": gated, "shared": shared, "always": always}.items():
            fits[name].append(fit)
        scenes.append(int(both.scenes[k]))
    if not scenes:
        return []
    return [
        Tight(name, mean(found, scenes), mean([float(fit > STRICT) for fit in found], scenes))
        for name, found in fits.items()
    ]


def table(ways: Sequence[Tight]) -> str:
    """Write them as Markdown; empty where there are none."""
    if not ways:
        return ""
    lines = [
        "| amodal boxes of pairs | mean IoU, % (95 %) | IoU over 0.75, % (95 %) | n |",
        "| --- " * 4 + "|",
        *(f"| {w.name} | {_told(w.mean_iou)} | {_told(w.strict)} | {w.mean_iou.count} |" for w in ways),
    ]
    return "\n".join(lines)


def _told(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} ({written(figure, scale=100)})"


def _fit(box: Box | None, truth: Box) -> float:
    return iou(box, truth) if box is not None else 0.0
