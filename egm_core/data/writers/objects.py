"""Gathers samples of one object, which kinds of files that count objects keep together, and numbers pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from egm_core.boxes import Box
from egm_core.sample import Sample


@dataclass
class Object:
    """An object of a picture with all of its expressions."""

    sample: Sample
    box: Box
    sentences: list[str] = field(default_factory=list)


def objects(samples: Iterable[Sample]) -> list[Object]:
    """Gather samples that have a visible box by picture, box and split, in their order."""
    found: dict[tuple[str, Box, str], Object] = {}
    for sample in samples:
        assert sample.bbox is not None
        known = found.setdefault((sample.picture, sample.bbox, sample.split), Object(sample, sample.bbox))
        known.sentences.append(sample.sent)
    return list(found.values())


def picture_ids(samples: Iterable[Sample]) -> dict[str, int]:
    """Number pictures: by their own ids where all have different whole numbers, else from 1."""
    own: dict[str, str] = {}
    for sample in samples:
        own.setdefault(sample.picture, sample.image_id)
    numbers = [int(given) for given in own.values() if given.isascii() and given.isdecimal()]
    if len(set(numbers)) == len(own):
        return dict(zip(own, numbers, strict=True))
    return {picture: number for number, picture in enumerate(own, 1)}


def xywh(box: Box) -> list[float]:
    """Write a box as left, top, width and height."""
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
