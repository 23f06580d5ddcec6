"""The mix of expressions, as wanted and as measured on generated scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from egm_core.boxes import iou
from egm_core.scenes.language.expressions import KINDS, MIX, Expression, choose
from egm_core.scenes.truth import Scene


def measured_mix(scenes: Iterable[Scene], each: int = 6, seed: int = 0) -> str:
    """Draw expressions for scenes as training does, and say in a table what came out."""
    rng = np.random.default_rng(seed)
    chosen: list[tuple[Scene, Expression]] = []
    for scene in scenes:
        chosen += [(scene, e) for e in choose(scene, rng, each)]
    if not chosen:
        return "no scenes, no expressions"
    count = Counter(e.kind for _, e in chosen)
    lines = [f"{'kind':<10}  wanted %  measured %  words of reasoning"]
    for kind in KINDS:
        words = [len(e.reasoning.split()) for _, e in chosen if e.kind == kind]
        mean = f"{np.mean(words):18.1f}" if words else f"{'-':>18}"
        lines.append(f"{kind:<10}  {100 * MIX[kind]:8.0f}  {100 * count[kind] / len(chosen):10.1f}  {mean}")
    present = [(s.objects[e.target], s, e) for s, e in chosen if e.target is not None]
    missing = [e for _, e in chosen if e.target is None]
    overlaps = np.array([iou(o.visible, o.amodal) for o, _, _ in present])
    sides = [(o.visible[2] - o.visible[0]) / s.width for o, s, _ in present]
    lines.append(
        f"{len(chosen)} expressions; with a distractor of the same category "
        f"{_percent([e.distractor for _, _, e in present])}; "
        f"near misses among absents {_percent([e.near_miss for e in missing])}"
    )
    if present:
        lines.append(
            f"objects asked for: IoU(visible, amodal) < 0.5 {_percent(overlaps < 0.5)}, "
            f"0.5 to 0.8 {_percent((overlaps >= 0.5) & (overlaps < 0.8))}; "
            f"median visible width {100 * float(np.median(sides)):.0f} % of the image's"
        )
    return "\n".join(lines)


def _percent(flags: ArrayLike) -> str:
    values = np.asarray(flags, dtype=np.float64)
    return f"{100 * values.mean():.1f} %" if values.size else "-"
