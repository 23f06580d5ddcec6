"""What was answered of a recording's pictures, kept in a file until the recording is written.

Each answer is a line of JSON, so that a kill takes none of those that were there. The first line says what was asked:
answers of another call are no use.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from egm_core.boxes import Box
from egm_core.grounder.explained import status_values
from egm_core.grounder.grounding import Grounding

END = ".answers.jsonl"


@dataclass(frozen=True)
class Pair:
    """One object's visible box, its amodal one where there is one, and their scores."""

    visible: Box
    amodal: Box | None
    score: float
    amodal_score: float


@dataclass(frozen=True)
class Answered:
    """What became of one line in one picture: its boxes, and what a status tells of it."""

    outcome: str
    reason: str
    detail: str
    pairs: tuple[Pair, ...]
    values: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    scored: bool = False


Key = tuple[str, int, str]


def answered(found: Grounding) -> Answered:
    """Keep what is written of an answer."""
    objects = found.objects if found.outcome == "found" else ()
    pairs = tuple(Pair(one.visible, one.amodal, one.score, one.amodal_score) for one in objects)
    values = {"engine_ms": found.engine_ms, "total_ms": found.total_ms, **status_values(found)}
    return Answered(found.outcome, found.reason, found.detail, pairs, values, found.warnings, found.score_available)


class Answers:
    """The answers of a call by topic, number of the picture on it, and line; those of one before it among them."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path = path
        self._of: dict[Key, Answered] = {}
        about = json.loads(json.dumps(asked))
        self.other = ""
        self.taken_up = self._read(about)
        if not self.taken_up:
            path.write_text(json.dumps({"asked": about}) + "\n", "utf-8")
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def __contains__(self, key: Key) -> bool:
        return key in self._of

    def __len__(self) -> int:
        return len(self._of)

    def values(self) -> Collection[Answered]:
        """Give all answers, and the questions that got none."""
        return self._of.values()

    @property
    def pictures(self) -> int:
        """Number of the pictures that were asked about."""
        return len(self._by_picture)

    def of(self, topic: str, number: int) -> dict[str, Answered]:
        """Give the answers of a picture by their lines."""
        return self._by_picture.get((topic, number), {})

    def add(self, key: Key, answer: Answered) -> None:
        """Take an answer; one that could not be had is not kept, so that it is asked again another time."""
        self._of[key] = answer
        self._by_picture.setdefault(key[:2], {})[key[2]] = answer
        if answer.outcome != "error":
            self._file.write(json.dumps({"key": key, "answer": asdict(answer)}, ensure_ascii=False) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file, and leave it."""
        self._file.close()

    def remove(self) -> None:
        """Close the file, and delete it: what was asked is written."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _read(self, about: Mapping[str, Any]) -> bool:
        self._by_picture: dict[tuple[str, int], dict[str, Answered]] = {}
        if not self.path.exists():
            return False
        lines = self.path.read_text("utf-8", errors="replace").splitlines(keepends=True)
        before = _json(lines[0]) if lines else None
        if not isinstance(before, dict) or "asked" not in before:
            raise ValueError(f"{self.path} is no file of answers; move it away, or write to another name")
        if before["asked"] != about:
            names = [key for key in about if before["asked"].get(key) != about[key]]
            self.other = ", ".join(names)
            return False
        whole = [line for line in lines[1:] if line.endswith("\n") and _json(line) is not None]
        for line in whole:
            row = _json(line)
            topic, number, text = row["key"]
            answer = _answer(row["answer"])
            self._of[topic, number, text] = answer
            self._by_picture.setdefault((topic, number), {})[text] = answer
        # A kill may have cut the last line.
        self.path.write_text("".join([lines[0], *whole]), "utf-8")
        return True


def _answer(values: dict[str, Any]) -> Answered:
    pairs = tuple(
        Pair(
            _box(pair["visible"]), _box(pair["amodal"]) if pair["amodal"] else None, pair["score"], pair["amodal_score"]
        )
        for pair in values["pairs"]
    )
    return Answered(**{**values, "pairs": pairs, "warnings": tuple(values["warnings"])})


def _box(edges: list[float]) -> Box:
    x0, y0, x1, y1 = edges
    return x0, y0, x1, y1


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
