"""What tests of evaluation on samples share: small pictures, records of them, and an asker that knows what to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egm_core.asking.asker import Emit
from egm_core.asking.job import Answer, Job
from egm_core.boxes import Box, to_relative
from egm_core.engines.base import EngineError
from egm_core.evaluate.asking import Manner
from egm_core.evaluate.samples.asking import Budget, Outcome, Planned, ask, plan
from egm_core.evaluate.samples.pictures import Pictures
from egm_core.evaluate.samples.questions import Question, read_questions
from egm_core.families import Task
from egm_core.models.folder import ModelInfo
from egm_core.sample import Sample, write_samples

WIDTH, HEIGHT = 400, 200
BOX: Box = (20.0, 20.0, 120.0, 120.0)
INFO = ModelInfo("oracle", "qwen3_vl", ("visible", "amodal"))
MODEL = {"model": "oracle"}


def picture(folder: Path, name: str = "a.png", grey: int = 90) -> Path:
    path = folder / name
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), grey, np.uint8))
    return path


def sample(image: Path | str, sent: str = "the red mug", bbox: Box | None = BOX, **fields: Any) -> Sample:
    told = {"amodal_bbox": None, "visible_fraction": None, "height": HEIGHT, "width": WIDTH, **fields}
    return Sample(str(image), sent, bbox, **told)


def questions(folder: Path, samples: list[Sample], task: Task = "visible") -> tuple[Question, ...]:
    write_samples(folder / "samples.jsonl", samples)
    return read_questions([folder / "samples.jsonl"], task).questions


def planned(found: tuple[Question, ...] | list[Question], info: ModelInfo = INFO, **fields: Any) -> list[Planned]:
    return plan(list(found), info, Manner.of(info), Pictures(info, info.speaker, **fields), MODEL)


def saying(box: Box | None) -> str:
    relative = None if box is None else to_relative(box, WIDTH, HEIGHT)
    return INFO.speaker.target("the red mug", relative, "It is red.", "visible")


class Scripted:
    """Answers each prompt as it is told: with a text, or an EngineError for the question, or for the server."""

    def __init__(self, says: Callable[[str], str | Exception], usage: dict[str, int] | None = None) -> None:
        self.says, self.asked, self.usage = says, [], usage or {}
        self.about = MODEL

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        for job in jobs:
            prompt = job.single()[1]
            self.asked.append(prompt)
            said = self.says(prompt)
            if isinstance(said, EngineError):
                raise said
            if isinstance(said, Exception):
                emit(Answer(job.key, error=str(said)))
            else:
                emit(Answer(job.key, said, "stop", usage=self.usage, model="oracle", seconds=0.5))


def answered(found: list[Planned], asker: Scripted, file: Path, budget: Budget | None = None) -> Outcome:
    return ask(found, asker, file, budget or Budget())
