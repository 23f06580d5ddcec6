"""Talk2Car: commands to a car, each with the object of the front camera's picture that it is about.

The boxes are those of nuScenes' 3-D boxes in the picture: they may cover hidden parts, and are cut at the edges.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.data.readers.driving.cameras import size_of
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SPLIT
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import split_of
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

NAME = "Talk2Car"
NAMES = "talk2car|(?:train|val|test)_commands"
LICENCE = "CC BY-NC-SA 4.0, and nuScenes' terms: not for commercial use"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--file", type=Path, nargs="+", required=True, help="val_commands.json, or several")
    add_images(parser)
    parser.add_argument("--split", default="", help="name of the split (default: what the file's name tells)")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files."""
    for path in options.file:
        pictures = Pictures.below(options.images or path.parent, tally)
        split, licence = split_of(path, options.split), stated(path, NAMES, LICENCE)
        for _, number, record in arrays(path, ("commands",)):
            place = Place(str(path), f"commands {number}")
            for sample in command(fields.mapping(record, place), place, pictures, split, tally):
                yield replace(sample, licence=licence)
        if split and not options.split:
            tally.guess(SPLIT, split, "--split", str(path))


def command(record: dict[str, Any], place: Place, pictures: Pictures, split: str, tally: Tally) -> Iterator[Sample]:
    """Read one command."""
    said = fields.text(record, "command", place)
    image = pictures.find(fields.text(record, "t2c_img", place))
    if record.get("2d_box") is None:
        tally.drop("commands without a box (2d_box), as a test split may have them", place)
        return
    box = fields.xywh(record, "2d_box", place)
    width, height = size_of(image, place)
    if why := fields.unusable(box, width, height, sides=True):
        tally.drop(f"commands where {why}", place, wrong=True)
        return
    yield Sample(
        image=image,
        sent=" ".join(said.split()),
        bbox=box,
        amodal_bbox=None,
        visible_fraction=None,
        height=height,
        width=width,
        source=NAME,
        split=split,
        image_id=fields.text(record, "sample_token", place),
        annotation_id=fields.text(record, "box_token", place),
        sentence_id=fields.text(record, "command_token", place),
        category=fields.text(record, "obj_name", place),
    )


KIND = Kind(
    "talk2car",
    "Talk2Car: commands to a car with the box of the object that they are about",
    LICENCE,
    arguments,
    read,
    "--file val_commands.json --images talk2car/imgs",
)
