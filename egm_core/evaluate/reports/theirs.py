"""Harder sets scored by their own code's rules, ours beside them, and what is different said in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from egm_core.boxes import Box, area, intersection, union
from egm_core.evaluate.reports.intervals import legend
from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.results import Answered, Result
from egm_core.evaluate.statistics import EMPTY, Figure, macro_mean, mean

# Ref-L4 averages accuracy over these thresholds.
STEPS = tuple(0.5 + 0.05 * step for step in range(10))
# Answers that say neither where the object is nor that it is absent.
UNREAD = ("malformed", "failed")
Value = Callable[[Answered], float]


@dataclass(frozen=True)
class Metric:
    """One figure by a set's own rule and by ours, and how the two rules differ."""

    name: str
    theirs: Figure
    ours: Figure
    difference: str


def giou(a: Box, b: Box) -> float:
    """Give the generalised IoU of two boxes: the IoU less the empty share of the box around both."""
    shared = intersection(a, b)
    joined, around = area(a) + area(b) - shared, area(union(a, b))
    return shared / joined - (around - joined) / around if joined > 0 and around > 0 else -1.0


def grefcoco(result: Result) -> list[Metric]:
    """Score as gRefCOCO's code: boxes match by GIoU, and an answer without a box says that there is no target."""

    def whole(a: Answered) -> float:
        if a.truth is None:
            return float(a.box is None)
        return float(a.box is not None and giou(a.box, a.truth) >= 0.5)

    rows = result.answers
    none, some = ([a for a in rows if (a.truth is None) == missing] for missing in (True, False))
    return [
        Metric("F1 = 1 at 0.5", _mean(rows, whole), _mean(rows, _right),
               "theirs matches by GIoU >= 0.5, ours by IoU; answers that cannot be read and failed ones count as \"no "
               "target\" in theirs, as wrong in ours"),
        Metric("N-acc", _mean(none, lambda a: float(a.box is None)), _mean(none, _absent),
               "theirs counts every answer without a box, ours those that say that there is none"),
        Metric("T-acc", _mean(some, lambda a: float(a.box is not None)), _mean(some, _found),
               "theirs counts answers with a box, ours those that were read so; an unreadable answer is wrong in both"),
        Metric("unreadable or failed", EMPTY, _mean(rows, lambda a: float(a.outcome in UNREAD)),
               "theirs counts them as \"no target\", ours as wrong in each row above"),
    ]  # fmt: skip


def grounding_me(result: Result) -> list[Metric]:
    """Score as GroundingME's code: what cannot be read rejects, and failed calls are left out."""
    asked = [a for a in result.answers if a.outcome != "failed"]

    def theirs(a: Answered) -> float:
        return float(a.box is None) if a.truth is None else float((a.iou or 0.0) >= 0.5)

    none, some = ([a for a in result.answers if (a.truth is None) == missing] for missing in (True, False))
    theirs_none, theirs_some = ([a for a in asked if (a.truth is None) == missing] for missing in (True, False))
    words = (
        "theirs takes IoU >= 0.5, calls an unreadable answer a rejection, and leaves failed calls out; it also takes "
        "the best of several frames, which is not done here"
    )
    return [
        Metric("all", _mean(asked, theirs), _mean(result.answers, _right), words),
        Metric("object there", _mean(theirs_some, theirs), _mean(some, _right), "as above"),
        Metric("rejection", _mean(theirs_none, theirs), _mean(none, _right), "as above"),
    ]


def ref_l4(result: Result) -> list[Metric]:
    """Score as Ref-L4's code: accuracy above a threshold, its mean over ten thresholds, and over classes."""
    rows = [a for a in result.answers if a.truth is not None]

    def steps(a: Answered) -> float:
        return sum((a.iou or 0.0) > step for step in STEPS) / len(STEPS)

    def above(a: Answered) -> float:
        return float((a.iou or 0.0) > 0.5)

    classes = [str(a.row.get("category") or "") for a in rows]
    known = all(classes) and len(rows) > 0
    by_class = macro_mean([above(a) for a in rows], [a.seed for a in rows], classes) if known else EMPTY
    return [
        Metric("Acc@0.5", _mean(rows, above), _mean(rows, _right), "the same, unless ours was made with --at-least"),
        Metric("mAcc, 0.5 to 0.95", _mean(rows, steps), EMPTY, "ours has 0.5, 0.75 and 0.9 apart"),
        Metric("mean of classes", by_class, EMPTY, "ours averages splits" if known else "the rows tell no class"),
    ]


METRICS: dict[str, Callable[[Result], list[Metric]]] = {
    "grefcoco": grefcoco, "grounding-me": grounding_me, "ref-l4": ref_l4,
}  # fmt: skip


def table(name: str, result: Result) -> str:
    """Print a set's own figures beside ours."""
    if not result.of_samples:
        raise ValueError(f"{result.path} is about scenes: give a result of `egm evaluate refer`")
    rows = [[m.name, percent(m.theirs), str(m.theirs.count), percent(m.ours), str(m.ours.count), m.difference]
            for m in METRICS[name](result)]  # fmt: skip
    notes = "One box is read from each answer, so expressions about several objects are not in here."
    return markdown(["", f"{name}'s rule, %", "n", "ours, %", "n", "difference"], rows) + f"\n\n{notes} {legend()}"


def _mean(rows: Sequence[Answered], value: Value) -> Figure:
    return mean([value(a) for a in rows], [a.seed for a in rows]) if rows else EMPTY


def _right(a: Answered) -> float:
    return float(a.correct)


def _found(a: Answered) -> float:
    return float(a.outcome == "found")


def _absent(a: Answered) -> float:
    return float(a.outcome == "absent")
