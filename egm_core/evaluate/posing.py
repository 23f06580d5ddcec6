"""How a question is put to a model of any family: the picture as that vendor sees it, the prompt, and a schema."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.engines import Request, Sampling
from egm_core.families import Task
from egm_core.families.base import Speaker


def as_sent(speaker: Speaker, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a picture (H, W, 3) at the size at which a vendor wants it."""
    height, width = image.shape[:2]
    size = speaker.size(width, height)
    if size == (width, height):
        return image
    way = cv2.INTER_AREA if size[0] * size[1] < width * height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def pose(
    speaker: Speaker, image: NDArray[np.uint8], sent: str, task: Task, name: str, sampling: Sampling | None = None
) -> tuple[Request, Speaker]:
    """Give the request for a question about a picture (H, W, 3 RGB), and the speaker that reads its answer.

    `name` is the request's id. Without `sampling` the family's own temperature holds.
    """
    image = as_sent(speaker, image)
    seeing = speaker.seeing(image.shape[1], image.shape[0])
    sampling = sampling or Sampling(temperature=speaker.temperature)
    request = Request(name, image, seeing.prompt(sent, task), sampling, json_schema=seeing.schema, logprobs=False)
    return request, seeing
