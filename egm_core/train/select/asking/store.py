"""Scores on disk: one JSON object a line, only ever appended, whole after any kill.

A store is a folder: `about.json` says whose scores it holds, `part-*.jsonl` hold them. Every process that opens it
begins a part of its own, so a line that a kill tore stays the last of its part and is passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from egm_core.families import TASKS
from egm_core.train.configuration import ConfigurationError

Outcome = Literal["found", "absent", "malformed"]
SYNC_LINES = 256
SYNC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Score:
    """How well a model answered one question; `iou` is None where the truth is that nothing fits.

    `outcome` says what the answer was: a box, "absent", or neither. `text` is the answer, where it is kept.
    """

    key: str
    task: str
    iou: float | None
    outcome: Outcome
    text: str = ""

    @property
    def value(self) -> float:
        """The IoU; for an absent object, which has none, 1 where the model says so and 0 where it does not."""
        return float(self.outcome == "absent") if self.iou is None else self.iou


class ScoreStore:
    """The scores of one model, open for more; `scores` holds all of them by key, without their texts.

    `about` is what must not change while a store grows, such as the model's weights. Raises ConfigurationError
    where the folder holds another model's scores, is damaged, or is written to by another process.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(folder / "lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise ConfigurationError(f"another process is scoring into {folder}; wait for it, or end it") from error
        try:
            self._check(about)
            self.scores = read_scores(folder)
            # Whoever died in the instant between two calls may have left the newest part empty.
            number = max((int(part.stem.removeprefix("part-")) for part in _parts(folder)), default=-1) + 1
            self._file = open(folder / f"part-{number:05d}.jsonl", "x", encoding="utf-8")
        except BaseException:
            self._lock.close()
            raise
        self._waiting = 0
        self._synced = time.monotonic()

    def _check(self, about: dict[str, Any]) -> None:
        file = self.folder / "about.json"
        if file.is_file():
            known = json.loads(file.read_text(encoding="utf-8"))
            for name in sorted({*known, *about}):
                if known.get(name) != about.get(name):
                    raise ConfigurationError(
                        f"{self.folder} holds scores for {name} {known.get(name)!r}, and now it is {about.get(name)!r};"
                        " name another output, or delete that folder to score anew"
                    )
        draft = file.with_suffix(".part")
        draft.write_text(json.dumps(about, indent=1), encoding="utf-8")
        os.replace(draft, file)

    def __contains__(self, key: str) -> bool:
        return key in self.scores

    def __len__(self) -> int:
        return len(self.scores)

    def add(self, score: Score) -> None:
        """Append a score: safe from a kill at once, from a power cut within a few seconds."""
        if score.key in self.scores:
            raise ValueError(f"{score.key} was scored already")
        record = asdict(score)
        if not score.text:
            del record["text"]
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()
        self.scores[score.key] = _without_text(score)
        self._waiting += 1
        if self._waiting >= SYNC_LINES or time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Bring everything to the disk."""
        os.fsync(self._file.fileno())
        self._waiting, self._synced = 0, time.monotonic()

    def close(self) -> None:
        """Bring everything to the disk and let go of the folder; an empty part is taken away."""
        self.sync()
        empty = self._file.tell() == 0
        self._file.close()
        if empty:
            Path(self._file.name).unlink()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_scores(path: Path) -> dict[str, Score]:
    """Read the scores of a store's folder, or of one `.jsonl` file, by key and without their texts.

    A torn last line is passed over; ConfigurationError names any other line that is no score.
    """
    if not path.exists():
        raise ConfigurationError(f"there are no scores at {path}; name a folder of scores, or one of its files")
    scores: dict[str, Score] = {}
    for part in _parts(path) if path.is_dir() else [path]:
        lines = part.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                score = _score(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines):
                    continue
                raise ConfigurationError(
                    f"{part}:{number} is no score ({error}); take the line out to score its sample anew"
                ) from error
            scores.setdefault(score.key, score)
    return scores


def _score(record: Any) -> Score:
    iou, task, outcome = record["iou"], record["task"], record["outcome"]
    if iou is not None and not (isinstance(iou, (int, float)) and 0 <= iou <= 1):
        raise ValueError(f"iou is {iou!r}")
    if task not in TASKS or outcome not in get_args(Outcome) or not isinstance(record["key"], str):
        raise ValueError(f"key, task or outcome is {record['key']!r}, {task!r}, {outcome!r}")
    return Score(record["key"], task, None if iou is None else float(iou), outcome)


def _without_text(score: Score) -> Score:
    return Score(score.key, score.task, score.iou, score.outcome) if score.text else score


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.jsonl"))
