"""COCO-Amodal (COCOA): an annotation holds all regions of a picture, with outlines of their whole shapes.

The amodal box is that of the outline, the visible box that of `visible_mask`. Some pictures have several annotations,
by several people; the first counts, as in the official evaluation.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from egm_core.data.readers.amodal.regions import cleaned_names, constraints, occluders, regions
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.coco import Layout, identity, layout
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import Found, Source, add_names, samples, split_of
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "COCO-Amodal"
STUFF = "regions of stuff, such as sky and wall; --stuff keeps them"
NAMES = "coco[-_]?amodal|cocoa"
LICENCE = "annotations CC BY 4.0; COCO's images keep their Flickr terms"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="COCO_amodal_val2014.json, or several")
    add_images(parser)
    add_names(parser)
    parser.add_argument("--stuff", action="store_true", help="also regions of stuff, such as sky and wall")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        found = read_layout(path, tally, options.stuff)
        licence = stated(path, NAMES, LICENCE)
        source = Source(
            NAME, split_of(path, options.split), licence, Pictures.below(options.images or path.parent, tally)
        )
        yield from samples(found.found, found.images, {}, source, options, tally)


def read_layout(path: Path, tally: Tally, stuff: bool = False) -> Layout:
    """Read the pictures and the regions of a file, those of stuff as ones to leave out unless they are asked for."""
    annotated: set[Hashable] = set()

    def take(record: dict[str, Any], place: Place) -> Iterator[Found]:
        image = fields.whole(record, "image_id", place)
        if image in annotated:
            tally.drop("annotations of a picture by further people: the first counts", place)
            return
        annotated.add(image)
        key = identity(record, place)
        there, behind = regions(record, place), constraints(record, place)
        for one in there:
            if one.stands:
                continue
            front = [] if one.said else occluders(one, there, behind)
            seen = tuple(other.visible for other in front if other.visible)
            yield Found(
                one.place,
                image,
                f"{key}-{one.order}",
                one.amodal,
                one.visible,
                one.fraction,
                name=one.name,
                occluders=one.said.names if one.said else cleaned_names(front),
                occluder_boxes=one.said.boxes if one.said else seen,
                order=one.said.order if one.said else one.order,
                left_out=STUFF if one.stuff and not stuff else one.wrong,
                mask=one.size,
                swapped=one.swapped,
                category=one.category,
                own=one.own,
            )

    return layout(path, take, categories=False)


KIND = Kind(
    "coco-amodal",
    "COCO-Amodal (COCOA): regions with outlines of their whole shapes, names and depth order",
    LICENCE,
    arguments,
    read,
    "--file COCO_amodal_val2014.json --images coco/val2014 --occluded",
)
