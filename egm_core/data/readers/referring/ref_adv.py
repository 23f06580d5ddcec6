"""Ref-Adv-s: expressions that single one of several alike things out, one a row."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from egm_core.data.readers.kind import Kind, Tally
from egm_core.data.readers.referring.internvl import kept
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import Pictures, add_images, coco_id
from egm_core.sample import Sample

LICENCE = "see the data set's card; images of COCO and OpenImages under their own terms"
NAMES = "ref[-_]?adv(?:[-_]s)?"
BOXES = ("solution", "gt_bbox_xyxy")
PICTURES = ("image", "file_name")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="parquet or JSONL file, or several")
    add_images(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the tables."""
    for path in options.file:
        pictures, licence = Pictures.below(options.images or path.parent, tally), stated(path, NAMES, LICENCE)
        for place, number, record in tables.rows(path):
            cell = next((name for name in PICTURES if record.get(name)), PICTURES[0])
            image, width, height = tables.picture_and_size(record, cell, place, number, pictures)
            box = next((name for name in BOXES if name in record), BOXES[0])
            known = {
                "image": image,
                "width": width,
                "height": height,
                "source": "Ref-Adv-s",
                "split": "test",
                "image_id": coco_id(fields.identity(record, "file_name", place)),
                "sentence_id": str(number),
                "licence": licence,
            }
            sent = fields.text(record, "normal_caption", place)
            yield from kept(sent, fields.xyxy(record, box, place), known, place, tally)


KIND = Kind(
    "ref-adv",
    "Ref-Adv-s: expressions with hard distractors, one a row",
    LICENCE,
    arguments,
    read,
    "--file ref-adv-s/data/train-00000-of-00001.parquet",
)
