"""Files of questions: pictures and instructions without boxes, for a model to answer or a person to look at.

A line is an object with `image`, `sent`, `width`, `height` and where it comes from. It has no `bbox`, so no reader of
samples takes it for an absent object.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import DataError
from egm_core.data.readers.robots.question import Question
from egm_core.data.readers.shared import fields
from egm_core.pictures.file import JPEG
from egm_core.pictures.reference import below, moved, split
from egm_core.pictures.source import as_file
from egm_core.sample.whole import written

_TEXTS = ("source", "episode", "outcome", "licence")
_KEPT = ("image", "sent", "width", "height", "frame", *_TEXTS)


def write_questions(path: Path, questions: Iterable[Question]) -> int:
    """Write questions as JSONL and give their number; the file appears when it is complete."""
    if path.suffix != ".jsonl":
        raise DataError(f"{path}: files of questions end in .jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder, count = path.parent.absolute(), 0

    def relative(name: str) -> str:
        file = Path(name).absolute()
        return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)

    with written(path) as part, part.open("w", encoding="utf-8") as file:
        for question in questions:
            row = {name: getattr(question, name) for name in _KEPT}
            row["image"] = moved(question.image, relative)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_questions(path: Path) -> Iterator[Question]:
    """Read the questions of a file."""
    for place, row in fields.lines(path):
        if "bbox" in row:
            raise place.error("has a bbox, so it is a sample; questions have none")
        width, height = fields.size(row, place)
        source, episode, outcome, licence = (str(row.get(name, "")) for name in _TEXTS)
        image, sent = below(path.parent, fields.text(row, "image", place)), fields.text(row, "sent", place)
        frame = fields.whole(row, "frame", place, 0) if "frame" in row else 0
        yield Question(image, sent, width, height, source, episode, frame, outcome, licence)


def are_questions(path: Path) -> bool:
    """Tell whether a file is one of questions: its first object has no box, and no name of one."""
    if path.suffix != ".jsonl" or not path.is_file():
        return False
    with path.open("rb") as file:
        line = next((line for line in file if line.strip()), b"")
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "sent" in row and not {"bbox", "modal_bbox"} & row.keys()


def extracted(question: Question, folder: Path) -> Question:
    """Write a question's picture as a file of its own, for programs that read none from a table or video."""
    if not split(question.image)[1]:
        return question
    data = as_file(question.image)
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{question.source}-{question.episode}-{question.frame:06d}").strip("-")
    path = folder / f"{name}{'.jpg' if data.startswith(JPEG) else '.png'}"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return dataclasses.replace(question, image=str(path))
