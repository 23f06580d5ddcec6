"""Which samples are surely right as records, told in a few steps; `from_record` judges all the others.

Writing checks every sample. Most have their boxes inside their picture, and of these little needs to be looked at.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter

from egm_core.boxes import Box
from egm_core.sample.record import LARGEST, Sample

_texts = attrgetter(*(field.name for field in fields(Sample) if field.type == "str" and field.name != "image"))
_NUMBERS = {int, float}


def sound(sample: Sample, image: str) -> bool:
    """Tell whether `from_record` surely takes a sample whose picture is written as `image`."""
    width, height, share, order = sample.width, sample.height, sample.visible_fraction, sample.depth_order
    if not (type(sample.occluders) is tuple and type(sample.occluder_boxes) is tuple):
        return False
    try:
        told = "".join((image, *_texts(sample), *sample.occluders))
    except TypeError:
        return False
    return (
        _encodable(told)
        and not (image.isspace() or sample.sent.isspace() or not image or not sample.sent)
        and type(width) is type(height) is int
        and 1 <= width < LARGEST
        and 1 <= height < LARGEST
        and _inside(sample.bbox, width, height)
        and (sample.amodal_bbox is None or _inside(sample.amodal_bbox, width, height))
        and (share is None or (type(share) in _NUMBERS and 0 <= share <= 1))
        and sample.task == ""
        and type(sample.mirrored) is bool
        and (order is None or (type(order) is int and 1 <= order < LARGEST))
        and all(_inside(box, width, height) for box in sample.occluder_boxes)
    )


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(box: Box | None, width: int, height: int) -> bool:
    if type(box) is not tuple or len(box) != 4 or not set(map(type, box)) <= _NUMBERS:
        return False
    return 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
