"""COCO-Amodal's file: a picture's regions with outlines of whole objects, and masks of what is seen and hidden.

Samples have boxes, so outlines and masks are rectangles: boxes come back, shapes do not. A region's name is the
sample's expression. Masks are whole pixels, and outlines end at the picture's edges, as in the original.
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
from egm_core.data.writers.objects import picture_ids
from egm_core.data.writers.writer import Placed, Writer, add_copy
from egm_core.sample import Sample


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write the samples whose amodal box is known, a region each."""
    kept = [(number, sample) for number, sample in enumerate(samples, 1) if _has_place(sample, number, tally)]
    ids, placed = picture_ids(sample for _, sample in kept), Placed(out.parent, options.copy)
    images: dict[int, dict[str, Any]] = {}
    annotations: dict[int, dict[str, Any]] = {}
    for number, sample in kept:
        image = ids[sample.picture]
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
        one = annotations.setdefault(
            image, {"id": image, "image_id": image, "author": "egm", "url": "", "regions": [], "depth_constraint": ""}
        )
        if sample.amodal_bbox != sample.truth("amodal"):
            tally.drop("parts of amodal boxes beyond the picture: outlines end there", f"sample {number}")
        one["regions"].append(_region(sample, len(one["regions"]) + 1))
        one["size"] = len(one["regions"])
    document = {"info": {}, "licenses": [], "images": list(images.values()), "annotations": list(annotations.values())}
    out.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(kept)


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
