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
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import Found, Source, add_names, exchanged, samples, split_of, swapped
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

CROWD = "annotations of crowds"
NEEDED = "an object that is partly hidden needs visible_mask"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="JSON file of annotations, or several")
    add_images(parser)
    add_names(parser)


def reader(name: str, names: str, licence: str) -> Callable[[argparse.Namespace, Tally], Iterator[Sample]]:
    """Make the reader of a data set, with the pattern of the names that tell it."""

    def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
        for path in options.file:
            found = layout(path, instance)
            pictures = Pictures.below(options.images or path.parent, tally)
            source = Source(name, split_of(path, options.split), stated(path, names, licence), pictures)
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
    hidden = _hidden(record, size, place)
    if seen is not None and masks.is_rle(seen):
        mask = masks.run_lengths(seen, "visible_mask", place)
        if size and size != tuple(mask["size"]):
            raise place.wrong("visible_mask.size", mask["size"], f"that of segmentation is {list(size)}")
        size = (mask["size"][0], mask["size"][1])
        visible = snapped(masks.box_of(mask), amodal)
        rate, pixels = share(record, "occlude_rate", place), masks.pixels(mask)
        fraction = visible_share(rate, mask, lambda: amount)
        behind = hidden if masks.is_rle(record.get("invisible_mask")) else None
        wrong, swap = exchanged(pixels, amount), swapped(pixels, behind, rate)
    elif seen is not None:
        visible, part, _ = _shape(seen, "visible_mask", place)
        rate = share(record, "occlude_rate", place)
        if not part and rate < 1:
            raise place.wrong("visible_mask", seen, "an outline must stand here, unless occlude_rate is 1")
        fraction = 1.0 - rate if part else 0.0
        visible = visible if fraction else None
        wrong = exchanged(part, amount)
    elif record.get("occlude_rate") is not None and share(record, "occlude_rate", place):
        raise place.wrong("occlude_rate", record["occlude_rate"], NEEDED)
    elif hidden:
        raise place.wrong("invisible_mask", record["invisible_mask"], NEEDED)
    yield Found(
        place,
        fields.whole(record, "image_id", place),
        identity(record, place),
        amodal,
        visible,
        fraction,
        category=fields.whole(record, "category_id", place),
        order=_depth(record, place),
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


def _hidden(record: dict[str, Any], size: tuple[int, int] | None, place: Place) -> float:
    """Measure the hidden part's mask, in either form; 0 where there is none."""
    if record.get("invisible_mask") is None:
        return 0.0
    _, amount, own = _shape(record["invisible_mask"], "invisible_mask", place)
    if size and own and own != size:
        raise place.wrong("invisible_mask.size", list(own), f"that of segmentation is {list(size)}")
    return amount


def _depth(record: dict[str, Any], place: Place) -> int | None:
    """Take the order of `amodal_region`, as D2SA has it."""
    if record.get("amodal_region") is None:
        return None
    inside = Place(place.file, f"{place.record}, amodal_region")
    region = fields.mapping(record["amodal_region"], inside)
    return None if region.get("order") is None else fields.depth(region, "order", inside)
