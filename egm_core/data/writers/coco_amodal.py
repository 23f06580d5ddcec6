"""COCO-Amodal's file: a picture's regions with outlines of whole objects, and masks of what is seen and hidden.

Samples have boxes, so outlines and masks are rectangles: boxes come back, shapes do not. A region is an object, and its
name the first of its expressions; its category, data set, split and licence are fields of our own. Masks are whole
pixels, and outlines end at the picture's edges, as in the original.
What hides an object is kept where it is a region of the file itself: `depth_constraint` says that it is in front. Where
that is not known, the object has no `invisible_mask`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, area
from egm_core.data.readers.amodal.regions import BOXES, NAMED, OWN
from egm_core.data.readers.kind import Tally
from egm_core.data.readers.shared.named import cleaned
from egm_core.data.writers.categories import Categories
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
    named = Categories()
    for image, shown in together.items():
        annotations[image] |= _regions(shown, named, tally)
    named.tell(tally)
    document = {"info": {}, "licenses": [], "images": list(images.values()), "annotations": list(annotations.values())}
    out.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return sum(one["size"] for one in annotations.values())


def _regions(shown: list[tuple[int, Sample]], named: Categories, tally: Tally) -> dict[str, Any]:
    """Give the regions of one picture, one for each object, and which are in front of which."""
    objects: dict[tuple[object, ...], list[tuple[int, Sample]]] = {}
    for number, sample in shown:
        key = sample.annotation_id, sample.bbox, sample.amodal_bbox, sample.depth_order
        objects.setdefault(key, []).append((number, sample))
    found = list(objects.values())
    for several in found:
        for number, _ in several[1:]:
            tally.drop("further expressions of an object: a region has one name", f"sample {number}")
    pairs = []
    for behind, said in enumerate(found):
        number, sample = said[0]
        for place, name in enumerate(sample.occluders):
            fit = _front(place, sample, [[one for _, one in others] for others in found if others is not said])
            if len(fit) != 1:
                why = "several regions may be" if fit else "is no region of this file"
                tally.drop(f"names of what hides an object, and {why}", f"sample {number}: {name}")
                continue
            pairs.append((next(at for at, others in enumerate(found) if others[0][1] is fit[0]), behind))
    samples = [several[0][1] for several in found]
    orders = _orders(samples, pairs, tally)
    hidden = {behind for _, behind in pairs}
    regions = [
        _region(sample, order, named.name(sample), at in hidden)
        for at, (sample, order) in enumerate(zip(samples, orders, strict=True))
    ]
    told = dict.fromkeys(f"{orders[front]}-{orders[behind]}" for front, behind in pairs)
    return {"size": len(regions), "regions": regions, "depth_constraint": ",".join(told)}


def _front(place: int, sample: Sample, others: list[list[Sample]]) -> list[Sample]:
    """Give the objects that may be the one at a place among what hides a sample, by its box or its name.

    Boxes come with the first names.
    """
    boxes = sample.occluder_boxes if len(sample.occluder_boxes) <= len(sample.occluders) else ()
    name = sample.occluders[place]
    named = [one for one in others if any(name in (cleaned(each.sent), each.category) for each in one)]
    if place < len(boxes):
        fit = [one for one in others if one[0].bbox == boxes[place]]
        fit = [one for one in fit if one in named] if len(fit) > 1 else fit
    else:
        fit = [one for one in named if one[0].bbox not in boxes]
    return [one[0] for one in fit if _hides(one[0], sample) and not _farther(one[0], sample)]


def _farther(front: Sample, behind: Sample) -> bool:
    """Tell whether an object is known to lie behind another."""
    orders = front.depth_order, behind.depth_order
    return orders[0] is not None and orders[1] is not None and orders[0] > orders[1]


def _orders(samples: list[Sample], pairs: list[tuple[int, int]], tally: Tally) -> list[int]:
    """Give the places in depth that samples have, where all have different ones; else numbers, what hides first."""
    known = [sample.depth_order for sample in samples if sample.depth_order is not None]
    if len(set(known)) == len(samples):
        return known
    tally.note(
        "the depth of some objects is not known: `order` numbers the regions of such a picture, and only "
        "`depth_constraint` says what is in front"
    )
    graph = TopologicalSorter({at: [front for front, behind in pairs if behind == at] for at in range(len(samples))})
    try:
        places = {at: place for place, at in enumerate(graph.static_order(), 1)}
    except CycleError:
        return list(range(1, len(samples) + 1))
    return [places[at] for at in range(len(samples))]


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
    }
    share = sample.visible_fraction
    share = (area(seen) / area(whole) if seen else 0.0) if share is None else share
    if seen != whole or share < 1:
        shown, amodal = _mask(seen, sample), _mask(whole, sample)
        region |= {
            "occlude_rate": 1 - share,
            "visible_mask": _encoded(shown),
        }
        if told:
            # Readers look for what hides this mask, and would find whatever overlaps it.
            region["invisible_mask"] = _encoded(amodal & ~shown)
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
