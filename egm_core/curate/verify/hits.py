"""The stricter verification: a second model, on the plain picture, must hit this object's visible box and no other.

It is asked twice, by two seeds. An expression that is hit once only is ambiguous, and kept apart. Hard expressions fail
this kind first, so its rate stands beside the other's. A wholly hidden object has no visible box and cannot pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.asking.job import Answer, Job
from egm_core.boxes import Box, iou
from egm_core.curate import pictures
from egm_core.curate.money.tokens import size_of
from egm_core.curate.reason.again import Ask
from egm_core.curate.teacher.usable import unusable
from egm_core.engines.base import Sampling
from egm_core.families.base import Speaker
from egm_core.pictures import source
from egm_core.sample import Sample

LEAST_IOU = 0.5
SEEDS = (1, 2)
# What can become of a sample, the worst first.
Outcome = Literal["hidden", "failed", "missed", "disagreement", "hit"]
OUTCOMES: tuple[Outcome, ...] = ("hit", "disagreement", "missed", "failed", "hidden")


@dataclass(frozen=True)
class Second:
    """The second model: its name, its family, how its answers are drawn, and whose terms they come under."""

    model: str
    speaker: Speaker
    sampling: Sampling
    terms: str = ""


@dataclass(frozen=True)
class Judged:
    """What became of a sample, why, and the two boxes in pixels with their IoU, where there are any."""

    outcome: Outcome
    why: str = ""
    boxes: tuple[Box | None, ...] = ()
    ious: tuple[float, ...] = ()
    key: str = ""

    def verdict(self) -> dict[str, Any]:
        """Give what a record keeps of it."""
        rounded = [None if box is None else [round(value, 1) for value in box] for box in self.boxes]
        return {"outcome": self.outcome, "why": self.why, "boxes": rounded, "ious": [round(v, 3) for v in self.ious]}


def read(reference: Any) -> NDArray[np.uint8]:
    """Read a picture at the size at which its model's family wants it."""
    if isinstance(reference, str) or "sent" not in reference:
        return pictures.read(reference)
    image = source.read(reference["picture"])
    width, height = reference["sent"]
    if (width, height) == (image.shape[1], image.shape[0]):
        return image
    way = cv2.INTER_AREA if width * height < image.shape[0] * image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), np.uint8)


def judged(
    samples: Sequence[Sample], second: Second, ask: Ask, others: Sequence[Sample] = (), least_iou: float = LEAST_IOU
) -> list[Judged]:
    """Ask the second model twice about each sample, and judge; in the order of the samples.

    `others` are further annotated objects of these pictures, which must not be hit better either.
    """
    near: dict[str, list[Sample]] = defaultdict(list)
    for sample in (*samples, *others):
        near[sample.picture].append(sample)
    made = [_made(sample, second) for sample in samples]
    jobs = {job.key: job for one in made if not isinstance(one, Judged) for job in one}
    came = {job.key: answer for job, answer in ask(jobs.values())}
    return [
        one
        if isinstance(one, Judged)
        else _judge(sample, [job.key for job in one], came, near[sample.picture], second, least_iou)
        for sample, one in zip(samples, made, strict=True)
    ]


def _made(sample: Sample, second: Second) -> list[Job] | Judged:
    """Make a sample's questions, or say why there are none: a picture that cannot be read fails alone."""
    try:
        return _jobs(sample, second)
    except (OSError, ValueError) as error:
        return Judged("failed", str(error))


def _jobs(sample: Sample, second: Second) -> list[Job]:
    if sample.truth("visible") is None:
        return []
    width, height = size_of(sample.picture)
    if wrong := pictures.unlike(sample.picture, (width, height), (sample.width, sample.height)):
        raise ValueError(wrong)
    sent = second.speaker.size(width, height)
    seeing = second.speaker.seeing(*sent)
    prompt = seeing.prompt(sample.sent, "visible")
    digest = pictures.digest(sample.picture)
    made = []
    for seed in SEEDS:
        sampling = replace(second.sampling, seed=(second.sampling.seed or 0) + seed)
        told = repr((second.model, seeing.name, prompt, seeing.schema, sampling, digest, sent))
        key = blake2b(told.encode(), digest_size=16).hexdigest()
        reference = {"picture": sample.picture, "sent": list(sent)}
        made.append(Job.about_picture(key, reference, prompt, sampling=sampling, schema=seeing.schema))
    return made


def _judge(
    sample: Sample,
    keys: Sequence[str],
    came: Mapping[str, Answer],
    near: Sequence[Sample],
    second: Second,
    least_iou: float,
) -> Judged:
    truth = sample.truth("visible")
    if truth is None:
        return Judged("hidden", "nothing of the object is seen, so no visible box can be hit")
    boxes: list[Box | None] = []
    whys: list[str] = []
    ious: list[float] = []
    failures = []
    for key in keys:
        answer = came.get(key, Answer(key, error="no answer came"))
        if answer.error and not unusable(answer.error):
            failures.append(answer.error)
            continue
        # What was cut off may end in half a number.
        box = None if answer.error else _box(answer.text, sample, second.speaker)
        boxes.append(box)
        ious.append(0.0 if box is None else float(iou(box, truth)))
        none = answer.error or "it named no box"
        whys.append(none if box is None else _miss(box, truth, near, least_iou))
    key = keys[0] if keys else ""
    if failures:
        return Judged("failed", failures[0], tuple(boxes), tuple(ious), key)
    hits = sum(not why for why in whys)
    outcome: Outcome = "hit" if hits == len(keys) else "disagreement" if hits else "missed"
    return Judged(outcome, next((why for why in whys if why), ""), tuple(boxes), tuple(ious), key)


def _box(text: str, sample: Sample, speaker: Speaker) -> Box | None:
    """Read an answer's box in pixels by its family's careful rules."""
    seeing = speaker.seeing(*speaker.size(*size_of(sample.picture)))
    answer = seeing.parse(text, "salvage", None, sample.sent)
    if answer.kind != "box" or answer.box is None:
        return None
    x0, y0, x1, y1 = answer.box
    across, down = sample.width / 1000, sample.height / 1000
    return x0 * across, y0 * down, x1 * across, y1 * down


def _miss(box: Box, truth: Box, near: Sequence[Sample], least_iou: float) -> str:
    """Say why a box is no hit; empty where it is one."""
    mine = float(iou(box, truth))
    if mine < least_iou:
        return f"IoU {mine:.2f} with the object's visible box"
    for other in near:
        theirs = other.truth("visible")
        if theirs is not None and theirs != truth and float(iou(box, theirs)) > mine:
            return f"it hit another object better: {other.sent}"
    return ""
