"""TAO-Amodal: frames of videos with boxes that leave the frame, in either of its two forms.

In the plain files, and in the training file with LVIS's classes, `bbox` is the visible box, and it is missing for what
is wholly hidden. In the validation file with LVIS's classes `bbox` holds the amodal box once more, and the visible box
is lost: its samples ask for the amodal box only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from egm_core.boxes import Box, area
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.coco import identity, layout, share
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import NO_VISIBLE, Found, Source, add_names, samples, split_of
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "TAO-Amodal"
NAMES = "tao|tao[-_]amodal|amodal_annotations"
LICENCE = "not for commercial use, and no part may be passed on (the terms of access; the card says MIT)"
# Of the partly hidden objects. Where bbox is the visible box, few of these have two equal boxes.
SHARE = 0.9
# In pixels.
ROUNDING = 0.01
HOLDS = ("auto", "visible", "amodal")
UNCERTAIN = "objects whose amodal box its annotator was not certain of (--certain)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument(
        "--file", type=Path, nargs="+", required=True, help="validation.json, validation_lvis_v1.json, or several"
    )
    add_images(parser)
    add_names(parser)
    parser.add_argument("--certain", action="store_true", help="leave out amodal boxes that are marked as uncertain")
    parser.add_argument(
        "--bbox",
        choices=HOLDS,
        default="auto",
        help="what the field bbox holds; auto: the amodal box where it is so for nine of ten hidden objects",
    )


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        untold: list[Place] = []
        found = layout(path, partial(instance, certain=options.certain, untold=untold))
        if untold:
            tally.note(
                f"{len(untold):,} objects, such as {untold[0]}, have no visibility: they are taken to be wholly "
                "visible, or wholly hidden where bbox is missing, as the official evaluation does"
            )
        known = found.found
        if options.bbox == "amodal" or (options.bbox == "auto" and holds_amodal(known)):
            tally.note(f"{path}: bbox holds the amodal box, so its samples ask for the amodal box only")
            known = [unseen(one) for one in known]
        licence = stated(path, NAMES, LICENCE)
        source = Source(
            NAME, split_of(path, options.split), licence, Pictures.below(options.images or path.parent, tally)
        )
        yield from samples(known, found.images, found.categories, source, options, tally, cut=True)


def instance(
    record: dict[str, Any], place: Place, certain: bool = False, untold: list[Place] | None = None
) -> Iterator[Found]:
    """Read one annotation, taking `bbox` for the visible box; its place joins `untold` where it has no visibility."""
    amodal = fields.xywh(record, "amodal_bbox", place)
    given = fields.xywh(record, "bbox", place) if record.get("bbox") is not None else None
    visible: Box | None = given if given and area(given) else None
    told = record.get("visibility") is not None
    if not told and untold is not None:
        untold.append(place)
    fraction = share(record, "visibility", place) if told else 1.0
    uncertain = fields.flag(record, "amodal_is_uncertain", place)
    left_out = NO_VISIBLE if told and fraction and visible is None else ""
    yield Found(
        place,
        fields.whole(record, "image_id", place),
        identity(record, place),
        amodal,
        visible,
        fraction if visible else 0.0,
        category=fields.whole(record, "category_id", place),
        left_out=UNCERTAIN if certain and uncertain else left_out,
    )


def holds_amodal(found: Sequence[Found]) -> bool:
    """Tell whether `bbox` holds the amodal box in a file: the two are equal where something is hidden.

    It goes by the share of such objects, so that a few odd records say nothing of all the others.
    """
    hidden = [one for one in found if one.visible is not None and one.fraction is not None and one.fraction < 1]
    equal = sum(all(map(_near, one.visible or (), one.amodal or ())) for one in hidden)
    return bool(hidden) and equal > SHARE * len(hidden)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= ROUNDING


def unseen(one: Found) -> Found:
    """Take an object's `bbox` for its amodal box: what is seen of it is not known."""
    return replace(one, visible=None, unseen=one.fraction != 0)


KIND = Kind(
    "tao-amodal",
    "TAO-Amodal: frames of videos with amodal boxes that leave the frame",
    LICENCE,
    arguments,
    read,
    "--file amodal_annotations/validation.json --images frames",
)
