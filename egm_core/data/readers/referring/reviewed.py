"""The evaluation labels of RefCOCO, RefCOCO+ and RefCOCOg as Ref-L4's authors reviewed them.

The files are in COCO's layout with a caption for each picture or annotation; a label that they found wrong has
`caption_quality` 0 and is left out here, or kept on wish.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.referring.internvl import kept
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SET, SPLIT
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.pictures import Pictures, add_images, coco_id
from egm_core.data.readers.shared.splits import SETS, of_file
from egm_core.sample import Sample

LICENCE = "review CC BY-NC 4.0 (non-commercial); labels of RefCOCO and RefCOCO+ Apache-2.0, of RefCOCOg CC BY 4.0"
QUALITY = "caption_quality"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="refcoco_val_reviewed.json, or several")
    parser.add_argument("--keep-wrong", action="store_true", help="keep labels that the review found wrong")
    add_images(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        source, split = of_file(path)
        tally.guess(SET, source, "", str(path))
        if split:
            tally.guess(SPLIT, split, "", str(path))
        pictures = Pictures.below(options.images or path.parent, tally)
        images: dict[str, dict[str, Any]] = {}
        annotations: list[tuple[Place, dict[str, Any]]] = []
        for name, number, record in arrays(path, ("images", "annotations")):
            place = Place(str(path), f"{name} {number}")
            record = fields.mapping(record, place)
            if name == "images":
                fields.once(images, fields.identity(record, "id", place), record, "the image id", place)
            else:
                annotations.append((place, record))
        for place, record in annotations:
            for sample in _sample(record, place, images, pictures, options.keep_wrong, tally):
                yield replace(sample, source=source, split=split, licence=LICENCE if source in SETS.values() else "")


def _sample(
    record: dict[str, Any],
    place: Place,
    images: dict[str, dict[str, Any]],
    pictures: Pictures,
    keep_wrong: bool,
    tally: Tally,
) -> Iterator[Sample]:
    quality = fields.value(record, QUALITY, place)
    if quality not in (0, 1):
        raise place.wrong(QUALITY, quality, "1, or 0 for a wrong label, must stand here")
    if not quality and not keep_wrong:
        tally.drop("labels that the review found wrong", place)
        return
    shown = images.get(fields.identity(record, "image_id", place))
    if shown is None:
        raise place.wrong("image_id", record.get("image_id"), "the file has no image of that id")
    width, height = fields.size(shown, place)
    name = fields.text(shown, "file_name", place)
    known = {
        "image": pictures.find(name),
        "width": width,
        "height": height,
        "image_id": fields.identity(shown, "original_id", place) or coco_id(name),
        "annotation_id": fields.identity(record, "original_id", place) or fields.identity(record, "id", place),
    }
    sent = fields.text(record if record.get("caption") else shown, "caption", place)
    yield from kept(sent, fields.xywh(record, "bbox", place), known, place, tally, sides=True)


KIND = Kind(
    "refcoco-reviewed",
    "RefCOCO, RefCOCO+ and RefCOCOg as Ref-L4's authors reviewed them, without the wrong labels",
    LICENCE,
    arguments,
    read,
    "--file refcoco_val_reviewed.json --images coco/train2014",
)
