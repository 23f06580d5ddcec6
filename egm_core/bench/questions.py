"""The questions that are put: pictures and words from sample files, from generated scenes, or one of a user's own.

No picture is ever the same as one before: its number stands in a corner. So no engine answers from a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Request, Sampling
from egm_core.models.folder import ModelInfo

FIRST_SEED = 510_000_000
# Digits to the base of four; a run has fewer questions than they count.
DIGITS = 8
_numbers = count()
Size = tuple[int, int]


@dataclass(frozen=True)
class Question:
    """Words about a picture (H, W, 3 RGB uint8), which is read when it is wanted."""

    sent: str
    read: Callable[[], NDArray[np.uint8]]


def of_picture(path: Path, sent: str) -> list[Question]:
    """Ask one thing about one picture."""
    from egm_core.pictures.pixels import read_image

    image = read_image(path)
    return [Question(sent, lambda: image)]


def of_samples(
    files: Sequence[Path], images: Path | None, wanted: int | None, share: float, seed: int
) -> list[Question]:
    """Draw a random part of the visible questions of sample files: `wanted` of them, else a share of all."""
    from egm_core.evaluate.samples.questions import read_questions, subset
    from egm_core.pictures.source import read

    whole = read_questions(files, "visible", images)
    if not whole.questions:
        raise ValueError(f"{', '.join(map(str, files))} has no question about a visible box; is it the right file?")
    number = wanted or max(1, round(share * len(whole.questions)))
    drawn = subset(whole, number, seed).questions
    return [Question(q.sample.sent, lambda path=q.sample.picture: read(path)) for q in drawn]  # type: ignore[misc]


def of_scenes(number: int) -> list[Question]:
    """Render scenes that no model was trained on, and ask one thing about each."""
    from egm_core.evaluate.asking import rendered
    from egm_core.evaluate.queries import scene_queries

    return [
        Question(scene_queries(scene, 1)[0].text, lambda image=scene.image: image)  # type: ignore[misc]
        for scene in rendered(FIRST_SEED, number)
    ]


def posed(
    question: Question, info: ModelInfo, size: Size | None, sampling: Sampling, max_pixels: int | None, logprobs: bool
) -> Callable[[], Request]:
    """Prepare a question of some size; what is given makes the request, as the grounder does from a camera's picture.

    Reading and stretching are done before; shrinking to the model's budget is part of the request, and of its time.
    """
    number = next(_numbers)
    image = question.read()
    if size is not None and (image.shape[1], image.shape[0]) != size:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    image = np.array(image)
    # The number stands in a corner, in greys that shrinking and JPEG keep apart.
    side = max(1, min(image.shape[:2]) // 32)
    for place in range(DIGITS):
        image[:side, place * side : (place + 1) * side] = 85 * (number // 4**place % 4)
    thinking = info.thinking or info.speaker.thinking
    prompt, template = info.prompt(question.sent, "visible"), thinking.arguments(True)

    def request() -> Request:
        sent = info.fit(image, max_pixels)
        return Request(f"bench-{number}", sent, prompt, sampling, logprobs=logprobs, template=template)

    return request
