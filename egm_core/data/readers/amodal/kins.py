"""KINS: KITTI's images with amodal and visible boxes, in the first edition's layout or that of 2020.

The edition of 2020 numbers objects in clusters from front to back (`oco_id`, `ico_id`); those in front of an object
whose visible box meets its amodal box are taken for what hides it. The first edition knows no order.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.boxes import Box, area, intersection
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields, masks
from egm_core.data.readers.shared.coco import Layout, identity, layout
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import (
    NO_VISIBLE,
    Found,
    Source,
    add_names,
    cleaned,
    exchanged,
    samples,
    split_of,
)
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "KINS"
NAMES = "kins|update_(?:train|test)_2020"
LICENCE = "no licence stands with the annotations; KITTI's images CC BY-NC-SA 3.0"
CROWD = "annotations of crowds"


@dataclass(frozen=True)
class Edition:
    """The names of an edition's fields."""

    amodal: str
    visible: str
    amodal_shape: str
    visible_shape: str


FIRST = Edition("bbox", "inmodal_bbox", "segmentation", "inmodal_seg")
SECOND = Edition("a_bbox", "i_bbox", "a_segm", "i_segm")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument(
        "--file", type=Path, nargs="+", required=True, help="instances_val.json or update_test_2020.json, or several"
    )
    add_images(parser)
    add_names(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        found, clusters = read_layout(path)
        licence = stated(path, NAMES, LICENCE)
        source = Source(
            NAME, split_of(path, options.split), licence, Pictures.below(options.images or path.parent, tally)
        )
        if unknown := sum(one.fraction is None for one in found.found):
            tally.note(
                f"{path}: {unknown:,} objects have no shape of the whole or of what is seen: the share is not known"
            )
        known = with_occluders(found.found, clusters, found.categories)
        yield from samples(known, found.images, found.categories, source, options, tally)


def read_layout(path: Path) -> tuple[Layout, list[list[int]]]:
    """Read a file, and which of its objects, by their place in it, make a cluster."""
    clusters: dict[tuple[Hashable, int], list[int]] = defaultdict(list)
    count = 0

    def take(record: dict[str, Any], place: Place) -> Iterator[Found]:
        nonlocal count
        one = instance(record, place)
        if one.order is not None:
            clusters[one.image, fields.whole(record, "oco_id", place)].append(count)
        count += 1
        yield one

    return layout(path, take), list(clusters.values())


def instance(record: dict[str, Any], place: Place) -> Found:
    """Read one annotation of either edition."""
    edition = SECOND if "a_bbox" in record else FIRST
    amodal = fields.xywh(record, edition.amodal, place)
    visible: Box | None = fields.xywh(record, edition.visible, place)
    if visible is not None and not area(visible):
        visible = None
    whole, seen = (_area(record, name, place) for name in (edition.amodal_shape, edition.visible_shape))
    wrong = exchanged(seen, whole) if whole and seen else ""
    wrong = wrong or (NO_VISIBLE if seen and visible is None else "")
    # The cluster and the place in it say nothing one without the other.
    ordered = "ico_id" in record or "oco_id" in record
    order = fields.whole(record, "ico_id", place, 0) if ordered else 0
    if order:
        fields.whole(record, "oco_id", place)
        fields.depth(record, "ico_id", place)
    return Found(
        place,
        fields.whole(record, "image_id", place),
        identity(record, place),
        amodal,
        visible,
        (min(1.0, seen / whole) if whole and seen else None) if visible else 0.0,
        category=fields.whole(record, "category_id", place),
        order=order or None,
        left_out=CROWD if fields.flag(record, "iscrowd", place) else wrong,
    )


def with_occluders(
    found: Sequence[Found], clusters: Sequence[Sequence[int]], categories: Mapping[int, str]
) -> list[Found]:
    """Name the occluders of objects from those that are in front in their cluster."""
    known = list(found)
    for members in clusters:
        inside = sorted((found[number] for number in members), key=lambda one: one.order or 0)
        for number in members:
            one = found[number]
            if one.amodal is None or one.fraction == 1:
                continue
            front = [
                other
                for other in inside
                if (other.order or 0) < (one.order or 0) and other.visible and intersection(other.visible, one.amodal)
            ]
            if front:
                boxes = tuple(other.visible for other in front if other.visible)
                names = (categories.get(other.category, "") for other in front if isinstance(other.category, int))
                known[number] = replace(one, occluders=tuple(map(cleaned, names)), occluder_boxes=boxes)
    return known


def _area(record: dict[str, Any], name: str, place: Place) -> float:
    """Measure a shape; 0 where there is none."""
    found = record.get(name)
    if found is None:
        return 0.0
    if masks.is_rle(found):
        return masks.pixels(masks.run_lengths(found, name, place))
    return masks.outline_area(masks.polygons(found, name, place))


KIND = Kind(
    "kins",
    "KINS: KITTI's images with amodal and visible boxes, the first edition or that of 2020",
    LICENCE,
    arguments,
    read,
    "--file update_test_2020.json --images kitti/testing/image_2",
)
