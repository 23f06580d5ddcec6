"""gRefCOCO's figures of answers about every match: F1 = 1, N-acc and T-acc, here by IoU of at least 0.5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egm_core.assignment import assigned
from egm_core.boxes import Box, iou
from egm_core.evaluate.every import theirs
from egm_core.evaluate.every.questions import KINDS, EveryQuestion, Targets
from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.statistics import Figure, mean, ratio
from egm_core.families import Task
from egm_core.grounder.grounding import Grounding

SUCCESS = 0.5


@dataclass(frozen=True)
class Scored:
    """One answer: what was asked, what came, and how many of its boxes are right."""

    asked: EveryQuestion
    outcome: str
    reason: str
    visible: tuple[Box, ...]
    amodal: tuple[Box, ...]
    repairs: tuple[str, ...]
    warnings: tuple[str, ...]
    ms: float

    @classmethod
    def of(cls, asked: EveryQuestion, found: Grounding) -> Scored:
        """Score an answer."""
        visible = tuple(each.visible for each in found.objects)
        amodal = tuple(each.amodal for each in found.objects if each.amodal is not None)
        return cls(asked, found.outcome, found.reason, visible, amodal, found.repairs, found.warnings, found.total_ms)

    def right(self, task: Task) -> int:
        """Count the boxes that match an object, one to one."""
        said, true = (self.visible, self.asked.visible) if task == "visible" else (self.amodal, self.asked.amodal)
        worth = np.array([[overlap if (overlap := iou(a, b)) >= SUCCESS else 0.0 for b in true] for a in said])
        return len(assigned(worth.reshape(len(said), len(true))))

    def whole(self, task: Task) -> bool:
        """Whether each object has its box and each box its object; without objects, whether the model said so."""
        said = self.visible if task == "visible" else self.amodal
        if not self.asked.visible:
            return self.outcome == "absent"
        return len(said) == len(self.asked.visible) == self.right(task)

    def to_json(self) -> dict[str, Any]:
        """Give all of it as JSON values."""
        return {
            **dict(self.asked.origin or (("seed", self.asked.seed),)),
            "text": self.asked.text, "targets": len(self.asked.visible),
            "true_visible": self.asked.visible, "true_amodal": self.asked.amodal,
            "outcome": self.outcome, "reason": self.reason, "visible": self.visible, "amodal": self.amodal,
            "right_visible": self.right("visible"), "right_amodal": self.right("amodal"),
            "repairs": self.repairs, "warnings": self.warnings, "ms": self.ms,
        }  # fmt: skip


def figures(rows: Sequence[Scored], amodal: bool, by_theirs: bool = False) -> dict[str, dict[str, Figure]]:
    """Give each figure for the questions about no object, one and several, and for all of them.

    `by_theirs` adds those by the rule of gRefCOCO's own code.
    """
    groups: dict[str, list[Scored]] = {kind: _of(rows, kind) for kind in KINDS}
    groups["all"] = list(rows)
    found: dict[str, dict[str, Figure]] = {}

    def share(name: str, value: Callable[[Scored], float], kinds: Sequence[str]) -> None:
        found[name] = {
            kind: mean([value(row) for row in groups[kind]], [row.asked.seed for row in groups[kind]])
            for kind in kinds
            if groups[kind]
        }

    tasks: tuple[Task, ...] = ("visible", "amodal") if amodal else ("visible",)
    share("F1 = 1, visible", lambda row: float(row.whole("visible")), (*KINDS, "all"))
    if amodal:
        share("F1 = 1, amodal", lambda row: float(row.whole("amodal")), ("one", "several"))
    share("N-acc", lambda row: float(row.outcome == "absent"), ("none",))
    share("T-acc", lambda row: float(row.outcome == "found"), ("one", "several"))
    for task in tasks:
        for name, count in (("objects found", _true), ("boxes right", _said)):
            found[f"{name}, {task}"] = {}
            for kind in ("one", "several"):
                some = groups[kind]
                of = [count(row, task) for row in some]
                if any(of):
                    part, seeds = [row.right(task) for row in some], [row.asked.seed for row in some]
                    found[f"{name}, {task}"][kind] = ratio(part, of, seeds)
    share("no answer, or unreadable", lambda row: float(row.outcome == "error"), (*KINDS, "all"))
    if by_theirs:
        rule = "by gRefCOCO's code"
        share(f"F1 = 1 {rule}", lambda row: float(theirs.whole(row.visible, row.asked.visible)), (*KINDS, "all"))
        share(f"N-acc {rule}", lambda row: float(not row.visible), ("none",))
        share(f"T-acc {rule}", lambda row: float(bool(row.visible)), ("one", "several"))
    return found


def table(rows: Sequence[Scored], amodal: bool, by_theirs: bool = False) -> str:
    """Write the figures as Markdown, in per cent."""
    counts: dict[str, int] = {**{kind: len(_of(rows, kind)) for kind in KINDS}, "all": len(rows)}
    head = ["%", *(f"{kind} (n {counts[kind]})" for kind in counts)]
    lines = [
        [name, *(percent(of_kind[kind]) if kind in of_kind else "" for kind in counts)]
        for name, of_kind in figures(rows, amodal, by_theirs).items()
    ]
    return markdown(head, lines)


def _of(rows: Sequence[Scored], kind: Targets | str) -> list[Scored]:
    return [row for row in rows if row.asked.targets == kind]


def _true(row: Scored, task: Task) -> int:
    return len(row.asked.visible)


def _said(row: Scored, task: Task) -> int:
    return len(row.visible if task == "visible" else row.amodal)
