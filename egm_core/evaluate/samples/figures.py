"""The figures of scored samples: accuracies and mean IoU by split and by group, with intervals by picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

from egm_core.evaluate.samples import by_rule
from egm_core.evaluate.samples.baselines import COPY, Answers, baselines, notes
from egm_core.evaluate.samples.growth import Growth
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.rows import Scored
from egm_core.evaluate.samples.wording import LENGTHS, WORDINGS, length, wordings
from egm_core.evaluate.scores import fit
from egm_core.evaluate.statistics import EMPTY, Figure, macro_mean, mean

THRESHOLDS = (0.5, 0.75, 0.9)
OUTCOMES = ("found", "absent", "malformed", "failed")
Groups = Callable[[Scored], Sequence[str]]

# Title: the groups of a row; those of wording may be several.
GROUPS: dict[str, Groups] = {
    "size of the true box": lambda r: (r.question.size,),
    "words": lambda r: (length(r.question.sample.sent),),
    "kind, by its words (a row counts in each that it has)": lambda r: wordings(r.question.sample.sent),
    "others of its category in the image": lambda r: (r.question.distractors,),
    "share that is seen": lambda r: (r.question.seen,),
    "world": lambda r: (r.question.sample.world or UNKNOWN,),
    "kind of expression, as the files tell": lambda r: (r.question.sample.expression_kind or UNKNOWN,),
}
UNKNOWN = "unknown"
HIDING = "IoU of visible and amodal truth"
_ORDER = ["small", "medium", "large", *(f"{low} to {high}" if high else f"{low} or more" for low, high in LENGTHS)]
_ORDER += [*WORDINGS, "0", "1", "2", "3 or more"]


@dataclass(frozen=True)
class Line:
    """The figures of some rows: their accuracy at each threshold, mean IoU, and how many there are of each outcome.

    `cut` counts answers of any outcome that reached their longest length.
    """

    name: str
    accuracies: tuple[Figure, ...]
    iou: Figure
    pictures: int
    outcomes: dict[str, int]
    cut: int = 0

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.iou.count


@dataclass(frozen=True)
class Absence:
    """Rows whose object is not there, and the share that was recognised; and the present ones called absent."""

    recognised: Figure
    false: Figure


class Summary:
    """The figures of scored rows. Everything that was asked is in the denominator, failed answers too.

    Success is an IoU above a threshold, or at least as high with `at_least`. Rows whose object is absent have no IoU
    and are counted apart. `growth` is a training file's, for the baseline that enlarges visible boxes.
    """

    def __init__(self, rows: Iterable[Scored], at_least: bool = False, growth: Growth | None = None) -> None:
        self.rows = list(rows)
        self.at_least = at_least
        self.growth = growth
        self.present = [row for row in self.rows if row.iou is not None]

    def line(self, name: str, rows: Sequence[Scored]) -> Line:
        """Measure some rows whose object is there."""
        clusters = [row.question.cluster for row in rows]
        accuracies = tuple(mean([self._right(row, t) for row in rows], clusters) for t in THRESHOLDS)
        outcomes = Counter(row.outcome for row in rows)
        told: dict[str, int] = {outcome: outcomes[outcome] for outcome in OUTCOMES}  # type: ignore[index]
        return Line(name, accuracies, mean([row.iou or 0.0 for row in rows], clusters), len(set(clusters)), told,
                    sum(row.cut for row in rows))  # fmt: skip

    def _right(self, row: Scored, threshold: float) -> float:
        return float(row.reaches(threshold, self.at_least))

    @cached_property
    def splits(self) -> list[Line]:
        """A line for each split, in the order of the files."""
        return self._columns(self._of_splits)

    @cached_property
    def whole_sets(self) -> list[Line]:
        """A line for each data set whose rows name no split."""
        return self._columns([row for row in self.present if not row.question.of_split])

    @cached_property
    def _of_splits(self) -> list[Scored]:
        return [row for row in self.present if row.question.of_split]

    def _columns(self, rows: Sequence[Scored]) -> list[Line]:
        names = dict.fromkeys(row.question.split for row in rows)
        return [self.line(name, [row for row in rows if row.question.split == name]) for name in names]

    @cached_property
    def micro(self) -> Line:
        """All rows alike."""
        return self.line("all rows (micro)", self.present)

    @cached_property
    def macro(self) -> Line:
        """The plain mean of the splits, as the paper averages; rows of no split are in no such mean."""
        rows = self._of_splits
        clusters = [row.question.cluster for row in rows]
        groups = [row.question.split for row in rows]
        accuracies = tuple(macro_mean([self._right(row, t) for row in rows], clusters, groups) for t in THRESHOLDS)
        overlap = macro_mean([row.iou or 0.0 for row in rows], clusters, groups)
        name = f"mean of {len(set(groups))} splits (macro)"
        if others := len(self.present) - len(rows):
            name += f", without {others} rows of no split"
        whole = self.line(name, rows)
        return Line(name, accuracies, overlap, whole.pictures, whole.outcomes, whole.cut)

    @cached_property
    def groups(self) -> dict[str, list[Line]]:
        """The lines of each way to group the rows, where the files tell enough for two groups or more."""
        amodal = any(row.question.task == "amodal" for row in self.present)
        ways: dict[str, Groups] = {**GROUPS, HIDING: lambda r: (r.question.hiding,)} if amodal else GROUPS
        found = {}
        for title, groups in ways.items():
            members: dict[str, list[Scored]] = {}
            for row in self.present:
                for group in groups(row):
                    members.setdefault(group, []).append(row)
            if len(members) > 1:
                found[title] = [self.line(name, members[name]) for name in sorted(members, key=_place)]
        return found

    @cached_property
    def absence(self) -> Absence | None:
        """What became of absent objects; None where there are none."""
        missing = [row for row in self.rows if row.iou is None]
        if not missing:
            return None
        return Absence(_share(missing, "absent"), _share(self.present, "absent"))

    @cached_property
    def baselines(self) -> list[Line]:
        """What answers without a model would score on the same amodal questions."""
        if not any(row.question.task == "amodal" for row in self.present):
            return []
        return [self.line(name, [by_rule.row(row.question, boxes[row.question.name]) for row in self.present])
                for name, boxes in self._boxes.items()]  # fmt: skip

    @property
    def baseline_notes(self) -> list[str]:
        """What a reader of the baselines has to know."""
        return notes([row.question for row in self.present], self.growth) if self.baselines else []

    def overlaps(self, question: Question) -> dict[str, float]:
        """Give the IoU of each baseline's box with the truth of a question about an object that is there."""
        return {name: fit(boxes[question.name], question.truth) or 0.0 for name, boxes in self._boxes.items()}

    @cached_property
    def _boxes(self) -> dict[str, Answers]:
        return baselines([row.question for row in self.present], self.growth)

    def failing_copy(self) -> list[tuple[Line, Line]]:
        """Give the rows on which the true visible box copied fails, at 0.5 and 0.75: the model's line, and its own."""
        if not self.baselines:
            return []
        copied = self._boxes[COPY]
        found = []
        for threshold in THRESHOLDS[:2]:
            told = [by_rule.row(row.question, copied[row.question.name]) for row in self.present]
            failing = [not one.reaches(threshold, self.at_least) for one in told]
            rows, copies = (list(compress(both, failing)) for both in (self.present, told))
            name = f"where the visible box fails at {threshold:g}"
            found.append((self.line(name, rows), self.line(COPY, copies)))
        return found

    def seconds(self) -> Figure:
        """How long an answer took on the average, where that was measured."""
        timed = [row for row in self.rows if row.seconds is not None]
        if not timed:
            return EMPTY
        return mean([row.seconds or 0.0 for row in timed], [row.question.cluster for row in timed], share=False)

    def as_json(self) -> dict[str, Any]:
        """Give the figures as JSON values."""
        lines = {"splits": self.splits, "whole_sets": self.whole_sets, "baselines": self.baselines,
                 "where_the_visible_box_fails": [line for pair in self.failing_copy() for line in pair]}  # fmt: skip
        return {
            **{name: [_json(line) for line in found] for name, found in lines.items()},
            "macro": _json(self.macro),
            "micro": _json(self.micro),
            "groups": {title: [_json(line) for line in found] for title, found in self.groups.items()},
        }


def _share(rows: Sequence[Scored], outcome: str) -> Figure:
    return mean([float(row.outcome == outcome) for row in rows], [row.question.cluster for row in rows])


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name), "") if name in _ORDER else (len(_ORDER) + (name == "unknown"), name)


def _json(line: Line) -> dict[str, Any]:
    def told(figure: Figure) -> dict[str, float | int]:
        return {"value": figure.value, "low": figure.low, "high": figure.high, "count": figure.count,
                "images": figure.clusters}  # fmt: skip

    accuracies = {f"acc@{t:g}": told(figure) for t, figure in zip(THRESHOLDS, line.accuracies, strict=True)}
    return {"name": line.name, "rows": line.count, "pictures": line.pictures, **accuracies, "iou": told(line.iou),
            "outcomes": line.outcomes, "cut": line.cut}  # fmt: skip
