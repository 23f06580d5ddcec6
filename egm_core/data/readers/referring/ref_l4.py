"""Ref-L4: long expressions of 365 classes, one a row; its pictures come as one archive, to be unpacked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from egm_core.data.readers.kind import Kind, Tally
from egm_core.data.readers.referring.internvl import kept
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

LICENCE = "Ref-L4 CC BY-NC 4.0 (non-commercial); images of COCO and Objects365 under their own terms"
NAMES = "ref[-_]?l4"
SPLITS = ("val", "test")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="ref-l4-val.parquet, ref-l4-test.parquet")
    add_images(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the tables."""
    for path in options.file:
        pictures, licence = Pictures.below(options.images or path.parent, tally), stated(path, NAMES, LICENCE)
        for place, _, record in tables.rows(path):
            width, height = fields.size(record, place)
            split = fields.known(fields.text(record, "split", place), SPLITS, "split", place)
            known = {
                "image": pictures.find(fields.text(record, "file_name", place)),
                "width": width,
                "height": height,
                "source": "Ref-L4",
                "split": split,
                # coco_128974 and o365_1: not COCO's own ids, unless they say so.
                "image_id": fields.identity(record, "image_id", place).removeprefix("coco_"),
                "annotation_id": fields.identity(record, "bbox_id", place),
                "sentence_id": fields.identity(record, "id" if "id" in record else "ann_id", place),
                "category": fields.identity(record, "ori_category_id", place),
                "licence": licence,
            }
            sent = fields.text(record, "caption", place)
            yield from kept(sent, fields.xywh(record, "bbox", place), known, place, tally, sides=True)


KIND = Kind(
    "ref-l4",
    "Ref-L4's parquet files: long expressions, one a row",
    LICENCE,
    arguments,
    read,
    "--file ref-l4-val.parquet ref-l4-test.parquet --images images",
)
