"""Writes the requests for a picture and a question: one per task, in the words and pixels that its model is used to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Request, Sampling
from egm_core.families import Task
from egm_core.grounder.question.constraint import Constrain, constrained
from egm_core.grounder.question.models import Models
from egm_core.grounder.question.sentences import NO_WORDS
from egm_core.grounder.reading import set_apart
from egm_core.grounder.several.wanted import Question

LONGEST = 4096


@dataclass(frozen=True)
class Queries:
    """How models are asked: with how many pixels, free to think or not, held to a grammar or not, and sampled how."""

    models: Models
    max_pixels: int | None
    reasoning: bool
    constrain: Constrain
    sampling: Sampling | None

    def written(self, image: NDArray[np.uint8], asked: Question, thinking: bool | None = None) -> dict[Task, Request]:
        """Write the requests for a picture (H, W, 3 uint8 RGB) and an instruction, one per task.

        `thinking` leaves the model free to think, or forbids it (None: as `reasoning` says).
        """
        sent = asked.sent
        if not sent:
            raise ValueError(NO_WORDS)
        free = self.reasoning if thinking is None else thinking
        pictures: dict[tuple[object, ...], NDArray[np.uint8]] = {}
        written = {}
        for task in self.models.tasks:
            info = self.models.infos[task]
            key = (info.family, info.factor, info.max_pixels)
            if key not in pictures:
                pictures[key] = info.fit(image, self.max_pixels)
            written[task] = self.request(
                task, pictures[key], info.prompt(set_apart(sent), task, asked.several), free, asked.several
            )
        return written

    def request(
        self, task: Task, picture: NDArray[np.uint8], prompt: str, thinking: bool, several: bool = False
    ) -> Request:
        """Write a request; two of one picture and prompt that differ in `thinking` share all that an engine caches."""
        info, habit = self.models.infos[task], self.models.thinking(task)
        request = Request(
            f"{task}-{uuid.uuid4().hex}",
            picture,
            prompt,
            self.sampling or Sampling(max_tokens=info.max_tokens or LONGEST),
            template=habit.arguments(thinking),
            reasoning=thinking,
            adapter=self.models.adapters.get(task, ""),
        )
        opening = habit.opening(thinking)
        return constrained(request, self.models.engines[task], info.speaker, opening, self.constrain, several)
