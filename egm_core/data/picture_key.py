"""Which picture a sample shows, whatever file it is from: COCO's by COCO's id, any other by its data set and own id.

Ids are small numbers, so one number in two data sets says nothing. COCO's pictures are in many data sets under one id.
"""

from __future__ import annotations

import re

from egm_core.data.readers.shared.pictures import coco_id
from egm_core.pictures.reference import split
from egm_core.sample import Sample
from egm_core.sample.worlds import apart

_OF_COCO = re.compile(r"(?<![a-z])(?:ms)?coco|^g?refcoco|^ref-(?:l4|adv)|^lmms|^egm$", re.IGNORECASE)


def of_coco(source: str) -> bool:
    """Tell whether a data set's image ids are COCO's, by its name."""
    return _OF_COCO.search(source) is not None


def picture_key(sample: Sample, place: str = "") -> str:
    """Name a sample's picture, so that samples of one picture have one name, and those of others another.

    Without an id it is `place`, by default the picture's path; without a data set the id and the place.
    """
    place = place or sample.image
    if coco := coco_id(inner_name(sample.image)):
        return f"coco {coco}"
    if not sample.image_id:
        return place
    if of_coco(sample.source):
        return f"coco {sample.image_id.lstrip('0') or '0'}"
    if not sample.source:
        return f"{sample.image_id} {place}"
    # The worlds of generated scenes have files of their own, each with its own numbers.
    source, world, _ = apart(sample.source, sample.world)
    return f"{source}/{world} {sample.image_id}" if world else f"{source} {sample.image_id}"


def inner_name(image: str) -> str:
    """Give a picture's own name, also in an archive; empty in a table, where it has none."""
    path, kind, place = split(image)
    if kind in ("parquet", "tsv"):
        return ""
    return (place if kind in ("zip", "tar") else path).rpartition("/")[2]
