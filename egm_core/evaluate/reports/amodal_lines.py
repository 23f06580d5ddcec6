"""What stands below Table 5: how models and plain rules do where the visible box alone fails, and where not.

The true visible box copied passes an IoU of 0.5 for most objects of COCO-Amodal, so the table alone tells little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.results import Answered
from egm_core.evaluate.samples.baselines import COPY, EARLIER, HULL
from egm_core.evaluate.samples.questions import OVERLAPS
from egm_core.evaluate.statistics import mean

THRESHOLDS = (0.5, 0.75, 0.9)
FAILS = THRESHOLDS[:2]
_BINS = (0.0, *OVERLAPS, 1.0)
Overlap = Callable[[Answered], float]


@dataclass(frozen=True)
class Line:
    """Answers under a name, and the IoU that each has with the truth."""

    name: str
    answers: Sequence[Answered]
    overlap: Overlap


def below_table_5(models: Mapping[str, Sequence[Answered]], strict: bool, notes: Sequence[str]) -> str:
    """Print models and baselines on all their amodal questions; `notes` are those of the results about baselines."""
    known = {answer.key: answer for answers in models.values() for answer in answers if answer.task == "amodal"}
    if not known:
        return ""
    lines = [Line(name, [a for a in answers if a.task == "amodal"], _own) for name, answers in models.items()]
    lines += _baselines(list(known.values()))
    sign = "above" if strict else "at least"
    told = [
        f"The headline is accuracy where the visible box fails: where its own IoU with the amodal truth is not {sign} "
        "the threshold.",
        "A baseline answers all questions of these results; it knows the true visible box, and a model does not.",
        *notes,
    ]
    parts = [_accuracies(lines, strict), _bins(lines), "\n".join(f"- {note}" for note in told)]
    return "\n\n".join(parts)


def _own(answer: Answered) -> float:
    return answer.iou or 0.0


def _seen(answer: Answered) -> float:
    """Give the IoU of the visible box with the amodal truth."""
    return float(answer.row.get("overlap") or 0.0)


def _baselines(answers: Sequence[Answered]) -> list[Line]:
    stored = {answer.key: _named(answer) for answer in answers}
    if None in stored.values():
        # Results of earlier versions have the visible box alone.
        return [Line(f"{COPY} (and {HULL})", answers, _seen)]

    def of(name: str) -> Overlap:
        return lambda answer: float((stored[answer.key] or {}).get(name, 0.0))

    names = dict.fromkeys(name for one in stored.values() if one for name in one)
    return [Line(name, answers, of(name)) for name in names]


def _named(answer: Answered) -> dict[str, float] | None:
    """Give the IoU of each baseline's box by its name of today; None where the result has none."""
    found = answer.row.get("baselines")
    if not isinstance(found, dict):
        return None
    return {EARLIER.get(str(name), str(name)): value for name, value in found.items()}


def _passes(overlap: float, threshold: float, strict: bool) -> bool:
    return overlap > threshold if strict else overlap >= threshold


def _accuracies(lines: Sequence[Line], strict: bool) -> str:
    head = ["", *(f"visible box fails at {t:g}: Acc@{t:g}" for t in FAILS), *(f"Acc@{t:g}" for t in THRESHOLDS),
            "mean IoU, %", "questions", "images"]  # fmt: skip
    rows = []
    for line in lines:
        cells = []
        for threshold in FAILS:
            hard = [a for a in line.answers if not _passes(_seen(a), threshold, strict)]
            pictures = len({a.seed for a in hard})
            cells.append(f"{_share(line, hard, threshold, strict)}; {len(hard)} on {pictures} images")
        cells += [_share(line, line.answers, threshold, strict) for threshold in THRESHOLDS]
        overlap = mean([line.overlap(a) for a in line.answers], [a.seed for a in line.answers])
        pictures = len({a.seed for a in line.answers})
        rows.append([line.name, *cells, percent(overlap), str(len(line.answers)), str(pictures)])
    return "Amodal boxes, models and answers without a model:\n\n" + markdown(head, rows)


def _share(line: Line, answers: Sequence[Answered], threshold: float, strict: bool) -> str:
    right = [float(_passes(line.overlap(a), threshold, strict)) for a in answers]
    return percent(mean(right, [a.seed for a in answers])) if answers else "-"


def _bins(lines: Sequence[Line]) -> str:
    names = [f"{low:g} to {high:g}" for low, high in pairwise(_BINS)] + ["1"]
    rows = []
    for line in lines:
        cells = []
        for number in range(len(names)):
            inside = [a for a in line.answers if _bin(_seen(a)) == number]
            overlap = mean([line.overlap(a) for a in inside], [a.seed for a in inside]) if inside else None
            cells.append(f"{percent(overlap)}; {len(inside)}" if overlap else "-")
        rows.append([line.name, *cells])
    return "Mean IoU by IoU of visible and amodal truth, with the number of questions:\n\n" + markdown(
        ["", *names], rows
    )


def _bin(value: float) -> int:
    return len(OVERLAPS) + 1 if value >= 1 else sum(value >= bound for bound in OVERLAPS)
