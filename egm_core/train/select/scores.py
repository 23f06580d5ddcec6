"""The scores of a selection: how well a model answered each question, in a store of answers or in files of lines.

A role's folder holds a store, `answers.sqlite`. Folders of earlier versions hold `part-*.jsonl`, one score a line; they
are read as they are, and a selection that goes on takes them over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from egm_core.asking.job import Answer
from egm_core.asking.store import Store, read_answers
from egm_core.families import TASKS
from egm_core.train.configuration import ConfigurationError

Outcome = Literal["found", "absent", "malformed"]
STORE = "answers.sqlite"
ABOUT = "about.json"


@dataclass(frozen=True, slots=True)
class Score:
    """How well a model answered one question; `iou` is None where the truth is that nothing fits.

    `outcome` says what the answer was: a box, "absent", or neither.
    """

    key: str
    task: str
    iou: float | None
    outcome: Outcome

    @property
    def value(self) -> float:
        """The IoU; for an absent object, which has none, 1 where the model says so and 0 where it does not."""
        return float(self.outcome == "absent") if self.iou is None else self.iou

    def to_json(self) -> dict[str, Any]:
        """Say all but the key, which the store has."""
        return {"task": self.task, "iou": self.iou, "outcome": self.outcome}


def holds_scores(path: Path) -> bool:
    """Tell whether a path is a file or a folder of scores."""
    return path.suffix in (".jsonl", ".sqlite") or any((path / name).is_file() for name in (STORE, ABOUT))


def read_scores(path: Path) -> dict[str, Score]:
    """Read the scores of a role's folder, of its store, or of one `.jsonl` file, by key.

    A torn last line is passed over; ConfigurationError names any other line that is no score.
    """
    if not path.exists():
        raise ConfigurationError(f"there are no scores at {path}; name a folder of scores, or one of its files")
    if path.is_dir() and (path / STORE).is_file():
        path = path / STORE
    if path.suffix == ".sqlite":
        return scores_of(read_answers(path), path)
    files = sorted(path.glob("part-*.jsonl")) if path.is_dir() else [path]
    return {key: _score(key, record) for key, record in _lines(files).items()}


def scores_of(answers: Iterable[tuple[Answer, Any]], path: Path) -> dict[str, Score]:
    """Give the scores that lie beside answers; failures have none."""
    try:
        return {answer.key: _score(answer.key, payload) for answer, payload in answers if not answer.error}
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path} holds answers without scores ({error}); name a selection's store") from error


def opened(folder: Path, about: Mapping[str, Any]) -> Store:
    """Open the store of a role's folder; what an earlier version left there is taken over."""
    file, old = folder / STORE, folder / ABOUT
    if old.is_file() and not file.exists():
        draft = folder / f"taken_over_{os.getpid()}.sqlite"
        records = _lines(sorted(folder.glob("part-*.jsonl")))
        with Store(draft, json.loads(old.read_text(encoding="utf-8"))) as store:
            store.add_all(
                (Answer(key, str(record.get("text", "")), "stop"), _score(key, record).to_json())
                for key, record in records.items()
            )
        os.replace(draft, file)
        draft.with_name(f"{draft.name}.lock").unlink(missing_ok=True)
    return Store(file, about)


def _lines(files: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Read lines of scores by key, the first of each."""
    records: dict[str, dict[str, Any]] = {}
    for file in files:
        lines = file.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                record = json.loads(line)
                records.setdefault(_score(record["key"], record).key, record)
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines):
                    continue
                raise ConfigurationError(
                    f"{file}:{number} is no score ({error}); take the line out to score its sample anew"
                ) from error
    return records


def _score(key: Any, record: Any) -> Score:
    iou, task, outcome = record["iou"], record["task"], record["outcome"]
    if iou is not None and not (isinstance(iou, (int, float)) and 0 <= iou <= 1):
        raise ValueError(f"iou is {iou!r}")
    if task not in TASKS or outcome not in get_args(Outcome) or not isinstance(key, str):
        raise ValueError(f"key, task or outcome is {key!r}, {task!r}, {outcome!r}")
    return Score(key, task, None if iou is None else float(iou), outcome)
