"""The questions of a training set, each with a key that depends on nothing but itself, and how they are asked.

A question is a sample and a task. Its key is made of the image's path below the data's common folder, the
expression, the task and the true box, so neither the order of the files nor the place of the folder matters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.asking.job import Answer, Job
from egm_core.boxes import Box, to_relative
from egm_core.engines.base import Sampling
from egm_core.families import TASKS, Task
from egm_core.models.folder import ModelInfo
from egm_core.pictures.reference import moved
from egm_core.pictures.source import read
from egm_core.reward import score as reward_of
from egm_core.sample import Sample
from egm_core.train.select.scores import Outcome, Score

LONGEST = 4096
DIGITS = 2


@dataclass(frozen=True, slots=True)
class Question:
    """An expression, a picture's file, a task, and the true box in pixels of (width, height); None is absent."""

    key: str
    image: str
    sent: str
    task: Task
    truth: Box | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A question that got no answer, and why: its picture cannot be read, or every server refuses it."""

    question: Question
    why: str


@dataclass(frozen=True)
class Manner:
    """How questions are put to a model and its answers read.

    Greedy, as in the paper's evaluation (Table 8). Pictures beyond `info.max_pixels` are shrunk; `pixels` compares
    boxes as the released code does, in whole pixels; `keep_answers` stores the answers' texts with the scores.
    """

    info: ModelInfo
    pixels: bool = False
    keep_answers: bool = False

    @property
    def sampling(self) -> Sampling:
        """The sampling settings of every question."""
        return Sampling(max_tokens=self.info.max_tokens or LONGEST)

    @property
    def about(self) -> dict[str, Any]:
        """What of the manner makes other scores."""
        return {
            "family": self.info.family,
            "prompts": {task: self.info.prompt("{sent}", task) for task in TASKS},
            "max_pixels": self.info.max_pixels,
            "factor": self.info.factor,
            "sampling": asdict(self.sampling),
            "pixels": self.pixels,
        }

    def job(self, question: Question) -> Job:
        """Say a question as a job: its picture's file and the model's prompt."""
        prompt = self.info.prompt(question.sent, question.task)
        return Job.about_picture(question.key, question.image, prompt, sampling=self.sampling)

    def picture(self, file: str) -> NDArray[np.uint8]:
        """Read a picture (H, W, 3) within the model's budget; FileNotFoundError or ValueError says what is wrong."""
        return self.info.fit(read(file, trusted=True))

    def score(self, question: Question, answer: str) -> Score:
        """Read an answer as the reward reads it, and compare it with the truth."""
        truth = question.truth and to_relative(question.truth, question.width, question.height)
        sizes = [(question.width, question.height)] if self.pixels else None
        read = reward_of([answer], [truth], self.info.speaker, sizes=sizes)
        outcome: Outcome = "malformed" if read.malformed[0] else "absent" if read.absent[0] else "found"
        overlap = None if question.truth is None else float(read.iou[0])
        return Score(question.key, question.task, overlap, outcome)

    def kept(self, question: Question, answer: Answer) -> tuple[Answer, Any]:
        """Say what is stored of an answer: its score, and the text where it is to be kept."""
        if answer.error:
            return answer, None
        score = self.score(question, answer.text)
        return answer if self.keep_answers else replace(answer, text=""), score.to_json()


def common_folder(files: Iterable[Path]) -> Path:
    """Give the folder that holds all of some files, however deep."""
    return Path(os.path.commonpath([file.absolute().parent for file in files]))


def key_of(sample: Sample, task: Task, root: Path) -> str:
    """Give the key of a sample's question, 24 hexadecimal digits; `root` is the folder of `common_folder`."""
    image = moved(sample.picture, lambda path: os.path.relpath(path, root))
    box = sample.truth(task)
    parts = [image, sample.sent, task, None if box is None else [round(v, DIGITS) for v in box]]
    return blake2b(json.dumps(parts).encode(), digest_size=12).hexdigest()


def questions_of(sample: Sample, tasks: Iterable[Task], root: Path) -> Iterator[Question]:
    """Give the questions that a sample has, among some tasks."""
    for task in TASKS:
        if task in tasks and sample.asks(task):
            key, image = key_of(sample, task, root), moved(sample.picture, os.path.abspath)
            yield Question(key, image, sample.sent, task, sample.truth(task), sample.width, sample.height)


def all_questions(samples: Iterable[Sample], tasks: Sequence[Task], root: Path) -> Iterator[Question]:
    """Give the questions of samples one after the other, each once however often it stands there."""
    seen: set[str] = set()
    for sample in samples:
        for question in questions_of(sample, tasks, root):
            if question.key not in seen:
                seen.add(question.key)
                yield question
