"""COCO-Amodal's file: a picture's regions with outlines of whole objects, and masks of what is seen and hidden.

Samples have boxes, so outlines and masks are rectangles: boxes come back, shapes do not. A region's name is the
sample's expression. Masks are whole pixels, and outlines end at the picture's edges, as in the original. What hides an
object is kept where it is a region of the file itself: `depth_constraint` says that it is in front.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, area
from egm_core.data.readers.kind import Tally
from egm_core.data.readers.shared.named import cleaned
from egm_core.data.writers.objects import picture_ids
from egm_core.data.writers.writer import Placed, Writer, add_copy
from egm_core.sample import Sample


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write the samples whose amodal box is known, a region each."""
    kept = [(number, sample) for number, sample in enumerate(samples, 1) if _has_place(sample, number, tally)]
    ids, placed = picture_ids(sample for _, sample in kept), Placed(out.parent, options.copy)
    images: dict[int, dict[str, Any]] = {}
    annotations: dict[int, dict[str, Any]] = {}
    together: dict[int, list[tuple[int, Sample]]] = {}
    for number, sample in kept:
        image = ids[sample.picture]
        together.setdefault(image, []).append((number, sample))
        images.setdefault(
            image,
            {
                "id": image,
                "file_name": placed.name(sample),
                "height": sample.height,
                "width": sample.width,
                "data_captured": "",
            },
        )
        annotations.setdefault(
            image, {"id": image, "image_id": image, "author": "egm", "url": "", "regions": [], "depth_constraint": ""}
        )
        if sample.amodal_bbox != sample.truth("amodal"):
            tally.drop("parts of amodal boxes beyond the picture: outlines end there", f"sample {number}")
    for image, shown in together.items():
        annotations[image] |= _regions(shown, tally)
    document = {"info": {}, "licenses": [], "images": list(images.values()), "annotations": list(annotations.values())}
    out.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(kept)


def _regions(shown: list[tuple[int, Sample]], tally: Tally) -> dict[str, Any]:
    """Give the regions of one picture, and which are in front of which."""
    samples = [sample for _, sample in shown]
    regions = [_region(sample, order) for sample, order in zip(samples, _orders(samples), strict=True)]
    pairs = []
    for (number, sample), region in zip(shown, regions, strict=True):
        found: dict[int, Box | None] = {}
        for other, front in zip(samples, regions, strict=True):
            place = None if other is sample else _among(other, sample, found)
            if place is not None and _hides(other, sample):
                # Several expressions may name one object, which is then several regions.
                found[place] = other.bbox
                pairs.append(f"{front['order']}-{region['order']}")
        left = [name for place, name in enumerate(sample.occluders) if place not in found]
        if left:
            tally.drop("names of what hides an object, and is no region of this file", f"sample {number}: {left[0]}")
    return {"size": len(regions), "regions": regions, "depth_constraint": ",".join(pairs)}


def _among(other: Sample, sample: Sample, found: dict[int, Box | None]) -> int | None:
    """Give an object's place among what hides another, by its box or its name; None where it is none of these.

    Boxes come with the first names. `found` are the places that are taken, each by the object of a box.
    """
    boxes = sample.occluder_boxes
    if other.bbox in boxes and len(boxes) <= len(sample.occluders):
        return boxes.index(other.bbox)
    names = cleaned(other.sent), other.category
    free = (at for at, name in enumerate(sample.occluders) if name in names and found.get(at, other.bbox) == other.bbox)
    return next(free, None)


def _orders(samples: list[Sample]) -> list[int]:
    """Give the places in depth that samples have, where all have different ones; else those in the file."""
    known = [sample.depth_order for sample in samples if sample.depth_order is not None]
    if len(set(known)) == len(samples):
        return known
    return list(range(1, len(samples) + 1))


def _hides(front: Sample, behind: Sample) -> bool:
    """Tell whether what is seen of one meets what is hidden of the other, as readers ask."""
    hidden = _mask(behind.truth("amodal"), behind) & ~_mask(behind.truth("visible"), behind)
    return bool((_mask(front.truth("visible"), front) & hidden).any())


def _has_place(sample: Sample, number: int, tally: Tally) -> bool:
    if sample.bbox is None and not (sample.hidden or sample.absent):
        tally.drop("objects whose visible box is not known: this kind of file has both", f"sample {number}")
        return False
    if sample.truth("amodal") is not None:
        return True
    why = "absent objects" if sample.absent else "objects whose amodal box is not known, or wholly beyond the picture"
    tally.drop(f"{why}: this kind of file has none", f"sample {number}")
    return False


def _region(sample: Sample, order: int) -> dict[str, Any]:
    whole, seen = sample.truth("amodal"), sample.truth("visible")
    assert whole is not None
    x0, y0, x1, y1 = whole
    region = {
        "segmentation": [x0, y0, x1, y0, x1, y1, x0, y1],
        "name": sample.sent,
        "area": area(whole),
        "isStuff": 0,
        "occlude_rate": 0,
        "order": order,
    }
    share = sample.visible_fraction
    share = (area(seen) / area(whole) if seen else 0.0) if share is None else share
    if seen != whole or share < 1:
        shown, amodal = _mask(seen, sample), _mask(whole, sample)
        region |= {
            "occlude_rate": 1 - share,
            "visible_mask": _encoded(shown),
            "invisible_mask": _encoded(amodal & ~shown),
        }
    return region


def _mask(box: Box | None, sample: Sample) -> NDArray[np.bool_]:
    """Give the pixels of a box; a box thinner than a pixel has one row or column."""
    mask = np.zeros((sample.height, sample.width), np.bool_)
    if box is not None:
        x0, y0 = min(round(box[0]), sample.width - 1), min(round(box[1]), sample.height - 1)
        mask[y0 : max(round(box[3]), y0 + 1), x0 : max(round(box[2]), x0 + 1)] = True
    return mask


def _encoded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    from pycocotools import mask as masks

    runs = masks.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode("ascii")}


WRITER = Writer(
    "coco-amodal",
    "COCO-Amodal's layout, with rectangles as outlines and masks",
    write,
    "val.jsonl --out COCO_amodal_val2014.json",
    add_copy,
)
