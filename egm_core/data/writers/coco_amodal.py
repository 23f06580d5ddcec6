"""COCO-Amodal's file: a picture's regions with outlines of whole objects, and masks of what is seen and hidden.

Samples have boxes, so outlines and masks are rectangles: boxes come back, shapes do not. A region is an object, and its
name the first of its expressions; its category, data set, split and licence are fields of our own. Masks are whole
pixels, and outlines end at the picture's edges, as in the original.
What hides an object is a region, too, where its box is known, and `depth_constraint` says that it is in front. Names
and boxes as the sample had them are further fields of our own. Where no region is known to be in front, the object has
no `invisible_mask`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import area
from egm_core.data.readers.amodal.regions import BOXES, DEPTH, HIDE_BOXES, HIDES, NAMED, OWN, STANDS
from egm_core.data.readers.kind import Tally
from egm_core.data.writers.categories import Categories
from egm_core.data.writers.hiding import Hider, Others, depth, in_front, pixels
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
            image, {"id": image, "image_id": image, "author": BOXES, "url": "", "regions": [], "depth_constraint": ""}
        )
        if sample.amodal_bbox != sample.truth("amodal"):
            tally.drop("parts of amodal boxes beyond the picture: outlines end there", f"sample {number}")
    named, others = Categories(), Others()
    for image, shown in together.items():
        annotations[image] |= _regions(shown, named, others, tally)
    named.tell(tally)
    others.tell(tally)
    document = {"info": {}, "licenses": [], "images": list(images.values()), "annotations": list(annotations.values())}
    out.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return sum(STANDS not in region for one in annotations.values() for region in one["regions"])


def _regions(shown: list[tuple[int, Sample]], named: Categories, others: Others, tally: Tally) -> dict[str, Any]:
    """Give the regions of one picture, one for each object or what hides one, and which are in front of which."""
    objects: dict[tuple[object, ...], list[tuple[int, Sample]]] = {}
    for number, sample in shown:
        key = sample.annotation_id, sample.bbox, sample.amodal_bbox, sample.depth_order
        objects.setdefault(key, []).append((number, sample))
    for several in objects.values():
        for number, _ in several[1:]:
            tally.drop("further expressions of an object: a region has one name", f"sample {number}")
    first, stand, pairs = in_front(list(objects.values()), others)
    orders = depth(first, len(stand), pairs, tally)
    hidden = {behind for _, behind in pairs}
    regions = [
        _region(sample, order, named.name(sample), at in hidden)
        for at, (sample, order) in enumerate(zip(first, orders, strict=False))
    ]
    regions += [_stands(one, order) for one, order in zip(stand, orders[len(first) :], strict=True)]
    told = dict.fromkeys(f"{orders[front]}-{orders[behind]}" for front, behind in pairs)
    return {"size": len(regions), "regions": regions, "depth_constraint": ",".join(told)}


def _has_place(sample: Sample, number: int, tally: Tally) -> bool:
    if sample.bbox is None and not (sample.hidden or sample.absent):
        tally.drop("objects whose visible box is not known: this kind of file has both", f"sample {number}")
        return False
    if sample.truth("amodal") is not None:
        return True
    why = "absent objects" if sample.absent else "objects whose amodal box is not known, or wholly beyond the picture"
    tally.drop(f"{why}: this kind of file has none", f"sample {number}")
    return False


def _region(sample: Sample, order: int, category: str, told: bool) -> dict[str, Any]:
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
        "category": category,
        **{name: getattr(sample, name) for name in OWN if name in NAMED or getattr(sample, name)},
        HIDES: list(sample.occluders),
        HIDE_BOXES: [list(box) for box in sample.occluder_boxes],
        DEPTH: sample.depth_order,
    }
    share = sample.visible_fraction
    share = (area(seen) / area(whole) if seen else 0.0) if share is None else share
    if seen != whole or share < 1:
        shown, amodal = pixels(seen, sample), pixels(whole, sample)
        region |= {
            "occlude_rate": 1 - share,
            "visible_mask": _encoded(shown),
        }
        if told:
            # Readers look for what hides this mask, and would find whatever overlaps it.
            region["invisible_mask"] = _encoded(amodal & ~shown)
    return region


def _stands(one: Hider, order: int) -> dict[str, Any]:
    """Give a region of what hides an object, of which no more is known than what is seen."""
    x0, y0, x1, y1 = one.box
    return {
        "segmentation": [x0, y0, x1, y0, x1, y1, x0, y1],
        "name": one.name,
        "area": area(one.box),
        "isStuff": 0,
        "occlude_rate": 0,
        "order": order,
        STANDS: True,
    }


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
    keeps=(
        "amodal_bbox",
        "visible_fraction",
        "category",
        "occluders",
        "occluder_boxes",
        "depth_order",
        "source",
        "split",
        "licence",
        "world",
        "expression_kind",
        "image_id",
    ),
)
