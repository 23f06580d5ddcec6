"""gRefCOCO's own expressions, about none, one and several objects, as questions about every match in its images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from egm_core.data.convert import left_out
from egm_core.data.readers.kind import Tally
from egm_core.data.readers.referring.grefcoco import Expression, expressions
from egm_core.evaluate.every.questions import EveryQuestion
from egm_core.grounder.reading import worded
from egm_core.pictures.source import exists

DRAWN_WITH = 42


@dataclass(frozen=True)
class Posed:
    """An image with the size that its record has, and what is asked about it."""

    image: str
    size: tuple[int, int]
    questions: tuple[EveryQuestion, ...]


def read(
    root: Path, splits: Sequence[str], instances: Path | None, images: Path | None, sample: int | None
) -> tuple[list[Posed], list[str]]:
    """Read the questions, image by image, and say what is left out, and why.

    `sample` draws a random part of so many, the same each time. ValueError where nothing is left to ask.
    """
    tally = Tally()
    found = list(expressions(root, splits, instances, images, tally))
    for one in found:
        if not worded(one.sent):
            tally.drop("expressions without a word", f"ref_id {one.ref_id}")
    there = {image: exists(image) for image in {one.image for one in found}}
    for one in found:
        if not there[one.image]:
            tally.missing(one.image)
            tally.drop("expressions about a missing picture", f"{one.image}, ref_id {one.ref_id}")
    kept = [one for one in found if there[one.image] and worded(one.sent)]
    told = left_out(tally)
    if not kept:
        raise ValueError("; ".join((f"{root} has no expression that can be asked", *told)))
    if sample is not None and sample < len(kept):
        kept = random.Random(DRAWN_WITH).sample(kept, sample)
    by_image: dict[str, list[Expression]] = {}
    for one in sorted(kept, key=lambda one: (one.image_id, one.ref_id)):
        by_image.setdefault(one.image, []).append(one)
    return [Posed(image, some[0].size, tuple(map(_question, some))) for image, some in by_image.items()], told


def _question(of: Expression) -> EveryQuestion:
    ids = {"image_id": of.image_id, "ref_id": of.ref_id, "sentence_id": of.sentence_id, "split": of.split}
    return EveryQuestion(of.image_id, of.sent, of.boxes, (), tuple((name, str(one)) for name, one in ids.items()))
