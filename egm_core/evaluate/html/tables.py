"""The tables of a report: accuracies with intervals, by task and by every group that the files know."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from egm_core.evaluate.html.runs import GROUPS, Answer, Question, Run
from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.statistics import Comparison, Figure, mean, paired_difference

THRESHOLDS = (0.75, 0.9)
MOST_GROUPS = 16
OUTCOMES = ("found", "absent", "malformed", "failed")
Pair = tuple[Question, Answer]


@dataclass(frozen=True)
class Table:
    """A table as text: its title, its head, and its rows; the first cell of a row is its name."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(runs: Sequence[Run], names: Sequence[str]) -> list[Table]:
    """Make all tables: the whole, the groups, and with two runs their difference on what both were asked."""
    made = [_whole(runs, names)]
    for task in _tasks(runs):
        for group, title in GROUPS.items():
            values = _values(runs, task, group)
            if 1 < len(values) <= MOST_GROUPS:
                made.append(_by_group(runs, names, task, group, title, values))
    if len(runs) > 1:
        made.append(_differences(runs, names))
    return made


def accuracy(pairs: Iterable[Pair]) -> Figure:
    """Give the share of right answers, with an interval by picture."""
    return figure(pairs, lambda a: float(a.right))


def figure(pairs: Iterable[Pair], value: Callable[[Answer], float | None]) -> Figure:
    """Give a mean over answers that have the value, with an interval by picture."""
    found = [(v, q.cluster) for q, a in pairs if (v := value(a)) is not None]
    return mean([v for v, _ in found], [cluster for _, cluster in found])


def pairs_of(run: Run, task: str, group: str = "", value: str = "") -> list[Pair]:
    """List the questions of a task, or of one group, about objects that are there, with their answers."""
    return [
        (q, a)
        for q, a in zip(run.questions, run.answers, strict=True)
        if q.truth is not None and q.task == task and (not group or value in q.groups.get(group, ()))
    ]


def _tasks(runs: Sequence[Run]) -> list[str]:
    return sorted({q.task for run in runs for q in run.questions}, reverse=True)


def _values(runs: Sequence[Run], task: str, group: str) -> list[str]:
    return sorted({
        value for run in runs for q in run.questions if q.task == task and q.truth is not None
        for value in q.groups.get(group, ())
    }, key=_by_number)  # fmt: skip


def _by_number(value: str) -> tuple[int, str]:
    """Order "3 to 5" before "11 or more"; what begins with no number comes after, by its letters."""
    begins = value.split(" ")[0]
    return (int(begins) if begins.isdecimal() else sys.maxsize, value)


def _whole(runs: Sequence[Run], names: Sequence[str]) -> Table:
    over = [f"Acc@{t:g}" for t in THRESHOLDS]
    head = [
        "model",
        "task",
        "n",
        "pictures",
        "Acc@0.5",
        "95 %",
        *over,
        "mean IoU, %",
        *OUTCOMES[1:],
        "cut",
        "absent objects recognised",
    ]
    rows = []
    for run, name in zip(runs, names, strict=True):
        for task in _tasks([run]):
            own = pairs_of(run, task)
            right = accuracy(own)
            reached = [_percent(_share(own, partial(_reaches, t, run.at_least))) for t in THRESHOLDS]
            fits = [a.iou for _, a in own if a.iou is not None]
            rows.append([
                name, task, str(len(own)), str(len({q.cluster for q, _ in own})), _percent(right.value),
                ends(right), *reached, _percent(sum(fits) / len(fits)) if fits else "-",
                *(_percent(_share(own, partial(_is, outcome))) for outcome in OUTCOMES[1:]),
                _cut(own), _recognised(run, task),
            ])  # fmt: skip
    note = (
        "Answers that are absent, malformed or failed stay in the denominator, and so do those that were cut at their "
        "longest length. Acc@0.5 is as the file scored it. "
        f"{legend('pictures')} Objects that are not there are counted in the last column alone."
    )
    note += " Success is an IoU " + "; ".join(
        f"{'of at least' if run.at_least else 'above'} the threshold for {name}"
        for run, name in zip(runs, names, strict=True)
    )
    return Table("All answers", head, rows, note + ".")


def _by_group(
    runs: Sequence[Run], names: Sequence[str], task: str, group: str, title: str, values: Sequence[str]
) -> Table:
    rows = []
    for value in values:
        cells = [value]
        for run in runs:
            right = accuracy(pairs_of(run, task, group, value))
            cells += [_percent(right.value), ends(right), str(right.count)]
        rows.append(cells)
    head = [title, *(
        label for run, name in zip(runs, names, strict=True) for label in (f"{name}, Acc@0.5, {rule(run)}", "95 %", "n")
    )]  # fmt: skip
    several = any(len(q.groups.get(group, ())) > 1 for run in runs for q in run.questions)
    return Table(f"{task}: by {title}", head, rows, "A row counts in each kind that it has." if several else "")


def _differences(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """Hold every further run against the first, on the questions that both answered."""
    first = {q.key: a for q, a in zip(runs[0].questions, runs[0].answers, strict=True)}
    rows = []
    for run, name in zip(runs[1:], names[1:], strict=True):
        for task in _tasks([run]):
            both = [(q, first[q.key], a) for q, a in pairs_of(run, task) if q.key in first]
            if not both:
                rows.append([name, task, "0", "-", "-", "-", "-"])
                continue
            clusters = [q.cluster for q, _, _ in both]
            ones, twos = [float(a.right) for _, a, _ in both], [float(b.right) for _, _, b in both]
            c = paired_difference(ones, twos, clusters)
            rows.append([
                name, task, str(len(both)), f"{100 * c.difference:+.1f}",
                ends(c, "+.1f"),
                str(sum(a > b for a, b in zip(ones, twos, strict=True))),
                str(sum(b > a for a, b in zip(ones, twos, strict=True))),
            ])  # fmt: skip
    head = ["model", "task", "n in both", "points", "95 %", "only the first right", "only this right"]
    unlike = [name for run, name in zip(runs, names, strict=True) if run.at_least != runs[0].at_least]
    note = f"{', '.join(unlike)}: success by another rule than the first's, which is a part of the difference."
    return Table(f"Against {names[0]}, on the same questions", head, rows, note if unlike else "")


def rule(run: Run) -> str:
    """Say what counts as success in a run."""
    return f"IoU {'>=' if run.at_least else '>'} threshold"


def _cut(pairs: Sequence[Pair]) -> str:
    """Give the share of answers that were cut, where the file tells."""
    known = [a.cut for _, a in pairs if a.cut is not None]
    return _percent(sum(known) / len(pairs)) if known else "-"


def _recognised(run: Run, task: str) -> str:
    missing = [
        (q, a) for q, a in zip(run.questions, run.answers, strict=True) if q.truth is None and q.task == task
    ]  # fmt: skip
    return f"{_percent(_share(missing, partial(_is, 'absent')))} of {len(missing)}" if missing else "-"


def _reaches(threshold: float, at_least: bool, answer: Answer) -> bool:
    if answer.iou is None:
        return answer.right
    return answer.iou >= threshold if at_least else answer.iou > threshold


def _is(outcome: str, answer: Answer) -> bool:
    return answer.outcome == outcome


def _share(pairs: Sequence[Pair], test: Callable[[Answer], bool]) -> float:
    return sum(test(a) for _, a in pairs) / len(pairs) if pairs else math.nan


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def ends(of: Figure | Comparison, form: str = ".1f") -> str:
    """Write an interval of shares in %, or that there is none and why."""
    return written(of, form, 100) if of.count else "-"
