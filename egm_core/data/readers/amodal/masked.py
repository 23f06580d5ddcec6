"""Instances in COCO's layout with masks of what is seen and of what is hidden, as COCOA-cls and D2SA have them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from egm_core.boxes import Box
from egm_core.data.readers.amodal.regions import snapped, visible_share
from egm_core.data.readers.kind import Place, Tally
from egm_core.data.readers.shared import fields, masks
from egm_core.data.readers.shared.coco import identity, layout, share
from egm_core.data.readers.shared.named import Found, Source, add_names, exchanged, samples, split_of, swapped
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

CROWD = "annotations of crowds"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="JSON file of annotations, or several")
    add_images(parser)
    add_names(parser)


def reader(name: str, licence: str) -> Callable[[argparse.Namespace, Tally], Iterator[Sample]]:
    """Make the reader of a data set."""

    def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
        for path in options.file:
            found = layout(path, instance)
            source = Source(name, split_of(path, options.split), licence, Pictures(options.images or path.parent))
            yield from samples(found.found, found.images, found.categories, source, options, tally)

    return read


def instance(record: dict[str, Any], place: Place) -> Iterator[Found]:
    """Read one annotation; its masks are polygons or run lengths, and those of a visible object may be missing."""
    whole = fields.value(record, "segmentation", place)
    amodal, amount, size = _shape(whole, "segmentation", place)
    if amodal is None:
        amodal = (0.0, 0.0, 0.0, 0.0)
    visible: Box | None = amodal
    fraction, wrong = 1.0, ""
    swap: bool | None = None
    seen = record.get("visible_mask")
    if seen is not None and masks.is_rle(seen):
        mask = masks.run_lengths(seen, "visible_mask", place)
        if size and size != tuple(mask["size"]):
            raise place.wrong("visible_mask.size", mask["size"], f"that of segmentation is {list(size)}")
        size = (mask["size"][0], mask["size"][1])
        visible = snapped(masks.box_of(mask), amodal)
        rate, pixels = share(record, "occlude_rate", place), masks.pixels(mask)
        fraction = visible_share(rate, mask, lambda: amount)
        wrong, swap = exchanged(pixels, amount), swapped(pixels, _hidden(record, place), rate)
    elif seen:
        visible, part, _ = _shape(seen, "visible_mask", place)
        fraction = 1.0 - share(record, "occlude_rate", place) if visible and part else 0.0
        visible = visible if fraction else None
        wrong = exchanged(part, amount)
    elif record.get("occlude_rate"):
        raise place.wrong("occlude_rate", record["occlude_rate"], "an object that is partly hidden needs visible_mask")
    yield Found(
        place,
        fields.whole(record, "image_id", place),
        identity(record, place),
        amodal,
        visible,
        fraction,
        category=fields.whole(record, "category_id", place),
        order=_depth(record),
        left_out=CROWD if fields.flag(record, "iscrowd", place) else wrong,
        mask=size,
        swapped=swap,
    )


def _shape(found: Any, name: str, place: Place) -> tuple[Box | None, float, tuple[int, int] | None]:
    """Give the box, the area and the masks' size of a shape in either form."""
    if masks.is_rle(found):
        mask = masks.run_lengths(found, name, place)
        return masks.box_of(mask), masks.pixels(mask), (mask["size"][0], mask["size"][1])
    outline = masks.polygons(found, name, place)
    return masks.outline_box(outline), masks.outline_area(outline), None


def _hidden(record: dict[str, Any], place: Place) -> float | None:
    """Count the pixels of the hidden part's mask; None where there is none."""
    found = record.get("invisible_mask")
    return masks.pixels(masks.run_lengths(found, "invisible_mask", place)) if masks.is_rle(found) else None


def _depth(record: dict[str, Any]) -> int | None:
    """Take the order of `amodal_region`, as D2SA has it."""
    region = record.get("amodal_region")
    order = region.get("order") if isinstance(region, dict) else None
    return order if isinstance(order, int) and not isinstance(order, bool) and order >= 1 else None
