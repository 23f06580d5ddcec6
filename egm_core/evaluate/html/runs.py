"""Stored results of any kind as a report reads them: what a file leaves out is empty, and what it has besides is kept.

A file holds one model's answers under `rows`, as `egm evaluate scenes --json` and its siblings write them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from egm_core.boxes import Box, iou
from egm_core.evaluate.pairing import Shown, compared, same_budget
from egm_core.evaluate.reports import learnt, part
from egm_core.evaluate.reports.checked import check_rows
from egm_core.evaluate.results import forbidden, seconds, text_of, whether
from egm_core.sample.worlds import column

# What a table can be made by, where a file has it, and how that is called in the report.
GROUPS = {
    "column": "split", "split": "split", "dataset": "data set", "world": "world", "kind": "kind of expression",
    "expression_kind": "kind of expression, as the files tell",
    "size": "size of the object", "words": "words", "hiding": "hiding", "seen": "visible share",
    "distractors": "others of its category in the image",
}  # fmt: skip
THINK_CLOSE = "</think>"


@dataclass(frozen=True)
class Answer:
    """One model's answer to a question: boxes in pixels of the picture; `iou` None where the object is absent."""

    outcome: str
    right: bool
    iou: float | None
    box: Box | None
    reason: str = ""
    reasoning: str = ""
    said: str = ""
    seconds: float | None = None
    cut: bool | None = None


@dataclass(frozen=True)
class Question:
    """What was asked; `picture` names the picture: a reference to read, or `scene:<seed>` for a generated one.

    `groups` holds the values of each group, which may be several for the kinds of an expression. Questions of one
    `cluster` are not independent: it is the file's own, so that intervals are those of the other commands.
    """

    picture: str
    task: str
    text: str
    truth: Box | None
    size: tuple[int, int] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cluster: int = 0
    id: str = ""
    digest: str = ""

    @property
    def key(self) -> tuple[str, str, str, Box | None]:
        """What two files have in common where they ask the same: its id, where there is one, in place of a path."""
        return self.id or self.picture, self.task, self.text, self.truth and tuple(round(v) for v in self.truth)  # type: ignore[return-value]


@dataclass(frozen=True)
class Run:
    """One file: a model's name, how it was asked, its answers by their questions, and what warns of its figures."""

    name: str
    path: Path
    about: Mapping[str, Any]
    questions: Sequence[Question]
    answers: Sequence[Answer]
    warnings: Sequence[str] = ()

    @property
    def at_least(self) -> bool:
        """Whether the file counts an IoU that equals the threshold as success."""
        return self.about.get("strict") is False


def read(path: Path) -> Run:
    """Read a stored result; ValueError, naming the file and the first bad row, where it is none."""
    stored = text_of(path)
    try:
        data = json.loads(stored)
        check_rows(data)
        rows = data["rows"]
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no result of `egm evaluate` ({error}); evaluate with --json") from error
    questions, answers = [], []
    for number, row in enumerate(rows, 1):
        try:
            questions.append(_question(row))
            answers.append(_answer(row))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: row {number} cannot be read ({type(error).__name__}: {error}); evaluate again"
            ) from error
    if not rows:
        raise ValueError(f"{path} holds no answers; evaluate at least one question")
    about = {key: value for key, value in data.items() if isinstance(value, (str, int, float, bool))}
    about |= {f"prompt, {task}": text for task, text in _object(data.get("prompts")).items()}
    name = str(data.get("model") or path.stem) + (", no reasoning" if forbidden(data) else "")
    return Run(name, path, about, questions, answers, _warnings(data))


def _warnings(data: Mapping[str, Any]) -> list[str]:
    """Give what warns of a result's figures; those of earlier versions do not say it themselves."""
    told = data.get("warnings")
    return told if told is not None else list(filter(None, (*learnt.of_result(data), part.of_result(data))))


def named_apart(runs: Sequence[Run]) -> list[str]:
    """Give each run a name of its own: the model's, with what tells two files of one model apart."""
    names = [run.name for run in runs]
    told = [f"{run.name} ({run.path.stem})" if names.count(run.name) > 1 else run.name for run in runs]
    return [f"{name} #{number}" if told.count(name) > 1 else name for number, name in enumerate(told, 1)]


def told_apart(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Give questions that bear one name and are not the same a name of their own, and say of each file what was found.

    Every file is held against the first. Files of one name and pictures whose pixels differ are not the same.
    """
    told: list[Run] = list(runs[:1])
    notes = []
    first = {(q.id, q.task): q for q in runs[0].questions if q.id} if runs else {}
    for run in runs[1:]:
        both = [(q, first[q.id, q.task]) for q in run.questions if (q.id, q.task) in first]
        shown = [((q.id, q.task), Shown(mine.picture, mine.digest), Shown(q.picture, q.digest)) for q, mine in both]
        found = compared(shown, same_budget(runs[0].about, run.about))
        worded = {(q.id, q.task) for q, mine in both if q.key != mine.key}
        apart = worded | set(found.others)
        words = f"{run.path} against {runs[0].path}"
        if apart:
            notes.append(
                f"{words}: {len(apart)} questions of the same name have other words, truth or pictures, and are not "
                f"paired, such as {sorted(apart)[0][0]!r}; evaluate both with the same files."
            )
        if found.doubt:
            notes.append(f"{words}: {found.doubt}.")
        questions = [replace(q, id=f"{q.id} ({run.path})") if (q.id, q.task) in apart else q for q in run.questions]
        told.append(replace(run, questions=questions))
    return told, notes


def _question(row: Mapping[str, Any]) -> Question:
    picture = str(row.get("image") or "") or f"scene:{int(row['seed'])}"
    size = (int(row["width"]), int(row["height"])) if row.get("width") and row.get("height") else None
    groups: dict[str, tuple[str, ...]] = {name: (str(row[name]),) for name in GROUPS if row.get(name) not in (None, "")}
    if row.get("kinds"):
        groups["kind"] = tuple(map(str, row["kinds"]))
    if "column" in groups:
        # It has the data set's name and the split's.
        groups.pop("split", None)
        groups.pop("dataset", None)
        groups["column"] = (column(str(row["column"])),)
    seed = row.get("seed")
    cluster = (
        int(seed) if seed is not None else int.from_bytes(blake2b(picture.encode(), digest_size=6).digest(), "big")
    )
    task = str(row.get("task") or "visible")
    return Question(
        picture, task, str(row["text"]), _box(row.get("truth")), size, groups, cluster, str(row.get("id") or ""),
        str(row.get("picture") or ""),
    )  # fmt: skip


def _answer(row: Mapping[str, Any]) -> Answer:
    box, truth = _box(row.get("box")), _box(row.get("truth"))
    fit = row.get("iou")
    if fit is None and truth is not None:
        fit = iou(box, truth) if box is not None else 0.0
    said = str(row.get("answer") or "")
    reasoning = str(row.get("reasoning") or "")
    if reasoning and THINK_CLOSE in said:
        said = said.partition(THINK_CLOSE)[2]
    return Answer(
        str(row["outcome"]),
        whether(row["correct"]),
        None if fit is None else float(fit),
        box,
        str(row.get("reason") or ""),
        reasoning.strip(),
        said.strip(),
        seconds(row.get("seconds")),
        row["finish"] == "length" if "finish" in row else None,
    )


def _box(edges: Any) -> Box | None:
    if edges is None:
        return None
    x0, y0, x1, y1 = (float(v) for v in edges)
    return x0, y0, x1, y1


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
