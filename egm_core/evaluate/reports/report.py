"""What an evaluation found: figures with intervals, tables to print, and the bars that they are held against."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from egm_core.evaluate.baselines import OWN_COPIED, category_only, largest_object, own_visible_copied
from egm_core.evaluate.finite import finite
from egm_core.evaluate.reports import part
from egm_core.evaluate.reports.intervals import legend, missing, written
from egm_core.evaluate.results import Result, check_same_rules, read
from egm_core.evaluate.scores import Row
from egm_core.evaluate.statistics import EMPTY, Comparison, Figure, mean, paired_difference
from egm_core.families import TASKS, Task
from egm_core.scenes.language.drafts import KINDS
from egm_core.scenes.truth import WORLDS

Pick = Callable[[Row], bool]
HEAVY_SHARE = 0.15
MALFORMED = "malformed"
_log = logging.getLogger("egm.evaluate")


@dataclass(frozen=True)
class Bar:
    """A figure that must reach a goal, or at least a floor; for `upper` bars it must stay below both."""

    name: str
    figure: Figure
    goal: float
    floor: float
    upper: bool = False

    @property
    def verdict(self) -> str:
        """Whether goal or floor is met."""
        value = self.figure.value
        sign = "<=" if self.upper else ">="
        wanted = f"(goal {sign} {100 * self.goal:.0f}, floor {sign} {100 * self.floor:.0f})"
        if math.isnan(value):
            return f"no such query {wanted}"
        met = [value <= bound if self.upper else value >= bound for bound in (self.goal, self.floor)]
        return f"{'goal met' if met[0] else 'floor met' if met[1] else 'BELOW THE FLOOR'} {wanted}"


@dataclass(frozen=True)
class Line:
    """One line of a table: accuracy in both worlds and over all, mean IoU, and the baselines' accuracy."""

    name: str
    worlds: dict[str, Figure]
    accuracy: Figure
    iou: Figure
    category_only: Figure
    largest_object: Figure
    own_visible_copied: Figure


class Report:
    """The figures of scored rows; `strict` counts an IoU above 0.5 only, as the paper's text says."""

    def __init__(self, rows: Sequence[Row], strict: bool = False) -> None:
        self.rows = list(rows)
        self.strict = strict
        copies = own_visible_copied(self.rows, strict)
        self._copies = {id(row): value for row, value in zip(self.rows, copies, strict=True)}
        self._category = {id(row): category_only(row.query, strict) for row in self.rows}
        self._largest = {id(row): largest_object(row.query, strict) for row in self.rows}
        self._tables: dict[Task, list[Line]] = {}

    def _figure(self, value: Callable[[Row], float | None], pick: Pick, share: bool = True) -> Figure:
        found = [(v, r.query.seed) for r in self.rows if pick(r) and (v := value(r)) is not None]
        return mean([v for v, _ in found], [seed for _, seed in found], share=share) if found else EMPTY

    def accuracy(self, pick: Pick) -> Figure:
        """Share of right answers among the picked rows whose object is there."""
        return self._figure(lambda r: float(r.correct(self.strict)), lambda r: r.iou is not None and pick(r))

    def line(self, name: str, pick: Pick) -> Line:
        """Measure one line of a table."""
        return Line(
            name,
            {world: self.accuracy(lambda r, w=world: pick(r) and r.query.world == w) for world in WORLDS},  # type: ignore[misc]
            self.accuracy(pick),
            self._figure(lambda r: r.iou, pick),
            self._figure(lambda r: self._category[id(r)], pick),
            self._figure(lambda r: self._largest[id(r)], pick),
            self._figure(lambda r: self._copies[id(r)], pick),
        )

    def table(self, task: Task) -> list[Line]:
        """Measure all kinds of expression and the whole, for visible or amodal questions."""
        if task not in self._tables:
            self._tables[task] = self._measured(task)
        return self._tables[task]

    def _measured(self, task: Task) -> list[Line]:
        kinds = [kind for kind in KINDS if kind != "absent"]
        lines = [self.line(kind, lambda r, k=kind: r.query.task == task and r.query.kind == k) for kind in kinds]  # type: ignore[misc]
        distracted = self.line("with distractor", lambda r: r.query.task == task and r.query.distractor)
        return [*lines, distracted, self.line("all", lambda r: r.query.task == task)]

    def recall(self, pick: Pick = lambda r: True) -> Figure:
        """Share of absent expressions that were recognised, among visible questions."""
        return self._figure(
            lambda r: float(r.outcome == "absent"), lambda r: r.query.task == "visible" and r.iou is None and pick(r)
        )

    def false_absents(self) -> Figure:
        """Share of present objects that were called absent, among visible questions."""
        return self._figure(
            lambda r: float(r.outcome == "absent"), lambda r: r.query.task == "visible" and r.iou is not None
        )

    def heavy(self) -> Figure:
        """Accuracy of amodal questions where visible and amodal truth have an IoU below 0.5."""
        return self.accuracy(lambda r: r.query.task == "amodal" and r.query.hiding == "heavy")

    def heavy_own_copied(self) -> Figure:
        """Accuracy of the model's own visible box, copied, on those questions."""
        return self._figure(lambda r: self._copies[id(r)], lambda r: r.query.hiding == "heavy")

    def completed(self) -> Comparison | None:
        """Compare amodal answers with the own visible box copied, where both boxes were asked for; None if nowhere."""
        both = [(copied, row) for row in self.rows if (copied := self._copies[id(row)]) is not None]
        if not both:
            return None
        answered = [float(row.correct(self.strict)) for _, row in both]
        return paired_difference([copied for copied, _ in both], answered, [row.query.seed for _, row in both])

    def heavy_share(self) -> float:
        """Share of those questions among the amodal ones whose object is there."""
        hidings = [r.query.hiding for r in self.rows if r.query.task == "amodal" and r.iou is not None]
        return hidings.count("heavy") / len(hidings) if hidings else float("nan")

    def nearer(self) -> Figure:
        """Share of amodal answers nearer to the amodal truth than to the visible one, where their IoU is 0.5 to 0.8.

        An answer that fits neither counts as not nearer.
        """
        return self._figure(
            lambda r: float((r.iou_amodal or 0.0) > (r.iou_visible or 0.0)),
            lambda r: r.query.task == "amodal" and r.query.hiding == "partial",
        )

    def malformed(self) -> Figure:
        """Share of answers that could not be read."""
        return self._figure(lambda r: float(r.outcome == MALFORMED), lambda r: True)

    def thinking(self) -> Figure:
        """Mean number of tokens before `</think>`."""
        return self._figure(lambda r: None if r.thinking is None else float(r.thinking), lambda r: True, False)

    def bars(self) -> list[Bar]:
        """Hold the figures against the embedded model's bars."""
        visible, amodal = (self.accuracy(lambda r, t=task: r.query.task == t) for task in TASKS)  # type: ignore[misc]
        return [
            Bar("visible Acc@0.5", visible, 0.80, 0.60),
            Bar("amodal Acc@0.5", amodal, 0.75, 0.50),
            Bar("absent recognised", self.recall(), 0.80, 0.70),
            Bar("false absents", self.false_absents(), 0.05, 0.08, upper=True),
            Bar("amodal where IoU(visible, amodal) < 0.5", self.heavy(), 0.45, 0.30),
            Bar("nearer to amodal where IoU is 0.5 to 0.8", self.nearer(), 0.70, 0.60),
        ]

    def text(self, ms_per_query: float) -> str:
        """Give the whole report as text."""
        parts = [
            _table_text(
                f"{task} questions, success is IoU {'>' if self.strict else '>='} 0.5",
                self.table(task),
                task == "amodal",
            )
            for task in TASKS
        ]
        if gain := self.completed():
            ends = written(gain, "+.1f", 100, between=", ") if gain.bounded else missing(gain, "scenes")
            parts.append(
                f"{OWN_COPIED}: of the {gain.count} amodal questions whose visible box was asked for too; "
                f"on these the amodal answers gain {100 * gain.difference:+.1f} points [{ends}] over it"
            )
        near, far = self.recall(lambda r: r.query.near_miss), self.recall(lambda r: not r.query.near_miss)
        parts.append(
            f"absent recognised {_with_interval(self.recall())}: near misses {_percent(near)} (n {near.count}), "
            f"others {_percent(far)} (n {far.count}); false absents {_with_interval(self.false_absents())}"
        )
        parts.append(
            f"amodal, IoU(visible, amodal) < 0.5: {_with_interval(self.heavy())}, {100 * self.heavy_share():.1f} % of "
            f"the amodal queries (at least {100 * HEAVY_SHARE:.0f} wanted); "
            f"{OWN_COPIED} {_percent(self.heavy_own_copied())} (n {self.heavy_own_copied().count})"
        )
        parts.append(f"amodal, IoU 0.5 to 0.8: nearer to the amodal truth {_with_interval(self.nearer())}")
        thinking = self.thinking()
        thought = "not told" if not thinking.count else f"{thinking.value:.1f}"
        parts.append(
            f"malformed {_percent(self.malformed())}; reasoning tokens {thought}; {ms_per_query:.0f} ms a query; "
            f"success is IoU {'>' if self.strict else '>='} 0.5"
        )
        bars = self.bars()
        width = max(len(bar.name) for bar in bars)
        parts.append("\n".join(f"{bar.name:<{width}}  {_percent(bar.figure):>6}  {bar.verdict}" for bar in bars))
        return "\n\n".join([*parts, legend("scenes")])

    def as_json(self, **about: Any) -> dict[str, Any]:
        """Give everything as JSON values: `about`, the figures, and a record for each answer."""
        values: dict[str, Any] = finite(
            {
                **about,
                "strict": self.strict,
                "tables": {task: [asdict(line) for line in self.table(task)] for task in TASKS},
                "absent": {"recognised": asdict(self.recall()), "false": asdict(self.false_absents())},
                "heavy_share": self.heavy_share(),
                "heavy_own_visible_copied": asdict(self.heavy_own_copied()),
                "completed": None if (gain := self.completed()) is None else asdict(gain),
                "malformed": asdict(self.malformed()),
                "thinking_tokens": asdict(self.thinking()),
                "bars": [{**asdict(bar), "verdict": bar.verdict} for bar in self.bars()],
                "rows": [record(row, self.strict) for row in self.rows],
            }
        )
        return values


def record(row: Row, strict: bool = False) -> dict[str, Any]:
    """Give a row as JSON values."""
    query = row.query
    return {
        "seed": query.seed,
        "world": query.world,
        "task": query.task,
        "kind": query.kind,
        "text": query.text,
        "near_miss": query.near_miss,
        "distractor": query.distractor,
        "hiding": query.hiding,
        "width": query.width,
        "height": query.height,
        "outcome": row.outcome,
        "reason": row.reason,
        "correct": row.correct(strict),
        "iou": row.iou,
        "box": row.box,
        "truth": query.truth,
        "tokens": row.tokens,
        "thinking": row.thinking,
        "score": row.score,
        "edges": row.edges,
        "opening": row.opening,
    }


def compare(first: Path, second: Path) -> dict[str, Comparison]:
    """Compare two JSON results query by query: differences in accuracy (second minus first), by task and kind.

    ValueError where they are judged by other rules, or mean other questions; what only one of them answers is warned
    of, and left out.
    """
    return difference(read(first.stem, first), read(second.stem, second))


def difference(one: Result, two: Result) -> dict[str, Comparison]:
    """Compare two results that are read, see `compare`."""
    count = check_same_rules(one, two)
    for mine, its in ((one, two), (two, one)):
        if alone := len(mine.by_key) - count:
            _log.warning(
                "%s: %d of %d questions are not in %s: the figures are of the %d that are in both",
                mine.path, alone, len(mine.by_key), its.path, count,
            )  # fmt: skip
        if only := part.of_result(mine.about):
            _log.warning("%s: %s", mine.path, only)
    if (rules := one.about.get("mode")) != (others := two.about.get("mode")):
        _log.warning(
            "%s was read by the rules %s, %s by %s: a part of the difference may be theirs",
            one.path,
            rules,
            two.path,
            others,
        )
    groups: dict[str, list[tuple[Any, ...]]] = {"all": [key for key in one.by_key if key in two.by_key]}
    for key, answer in one.by_key.items():
        for group in _groups(dict(answer.row)) if key in two.by_key else ():
            groups.setdefault(group, []).append(key)
    return {
        group: paired_difference(
            [float(one.by_key[k].correct) for k in keys], [float(two.by_key[k].correct) for k in keys],
            [k[0] for k in keys],
        )
        for group, keys in sorted(groups.items())
    }  # fmt: skip


def _groups(row: dict[str, Any]) -> tuple[str, ...]:
    """Name the groups in which a row is compared; a sample's are its split and every kind that its words have."""
    if row["kind"] == "absent" or row.get("truth", 0) is None:
        return ("absent",)
    if "column" in row:
        return (
            row["task"],
            f"{row['task']} {row['column']}",
            *(f"{row['task']} {kind}" for kind in row.get("kinds") or [row["kind"]]),
        )
    return row["task"], f"{row['task']} {row['kind']}"


def _percent(figure: Figure) -> str:
    return "-" if math.isnan(figure.value) else f"{100 * figure.value:.1f}"


def _with_interval(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "- (n 0)"
    ends = written(figure, scale=100, between=", ") if figure.bounded else missing(figure, "scenes")
    return f"{100 * figure.value:.1f} % [{ends}] (n {figure.count})"


def _table_text(title: str, lines: Sequence[Line], copies: bool) -> str:
    head = ["Acc@0.5, %", *WORLDS, "both", "95 %", "n", "mean IoU, %", "category only", "largest"]
    rows = []
    for line in lines:
        both = line.accuracy
        interval = "-" if math.isnan(both.value) else written(both, scale=100, between="-")
        cells = [line.name, *(_percent(line.worlds[w]) for w in WORLDS), _percent(both), interval, str(both.count)]
        cells += [_percent(line.iou), _percent(line.category_only), _percent(line.largest_object)]
        rows.append([*cells, _percent(line.own_visible_copied)] if copies else cells)
    if copies:
        head.append(OWN_COPIED)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    text = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    return "\n".join([title, *text])
