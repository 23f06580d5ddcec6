"""GroundingME: hard descriptions in four groups; those of the group Rejection fit nothing in their picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Kind, Tally
from egm_core.data.readers.referring.internvl import kept
from egm_core.data.readers.shared import fields, tables
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

LICENCE = "research use only, as its images of SA-1B and HR-Bench"
NAMES = "grounding[-_]?me"
REJECTION = "Rejection"
GROUPS = ("Discriminative", "Spatial", "Limited", REJECTION)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="parquet file, or its shards")
    add_images(parser)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the tables."""
    for path in options.file:
        pictures, licence = Pictures.below(options.images or path.parent, tally), stated(path, NAMES, LICENCE)
        for place, number, record in tables.rows(path):
            image, width, height = tables.picture_and_size(record, "image", place, number, pictures)
            group = fields.known(fields.text(record, "subtask_l1", place), GROUPS, "subtask_l1", place)
            finer = fields.identity(record, "subtask_l2", place)
            known: dict[str, Any] = {
                "image": image,
                "width": width,
                "height": height,
                "source": "GroundingME",
                "split": "test",
                "sentence_id": fields.identity(record, "id", place) or str(number),
                "category": f"{group} {finer}".strip() if finer else group,
                "licence": licence,
            }
            sent = fields.text(record, "description", place)
            if group == REJECTION:
                # Its box is that of what the description was made from, and no answer.
                yield Sample(sent=sent, bbox=None, amodal_bbox=None, visible_fraction=None, **known)
            else:
                yield from kept(sent, fields.xyxy(record, "bbox", place), known, place, tally)


KIND = Kind(
    "grounding-me",
    "GroundingME: hard descriptions, some of which fit nothing in their image",
    LICENCE,
    arguments,
    read,
    "--file GroundingME/data/test-00000-of-00001.parquet",
)
