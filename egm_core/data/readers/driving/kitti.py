"""KITTI's `label_2`: a text file a picture, a line an object, with visible boxes cut at the picture's edges."""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator
from pathlib import Path

from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.named import Found, Shown, Source, add_names, samples
from egm_core.data.readers.shared.pictures import Pictures, add_images, picture_size
from egm_core.pictures.source import exists
from egm_core.sample import Sample

NAME = "KITTI"
NAMES = "kitti"
LICENCE = "CC BY-NC-SA 3.0: not for commercial use"
FIELDS = ("type", "truncated", "occluded", "alpha", "left", "top", "right", "bottom", "height", "width", "length",
          "x", "y", "z", "rotation_y")  # fmt: skip
UNNAMED = {
    "DontCare": "regions that are not labelled (DontCare)",
    "Misc": "objects of no class of its own (Misc), which a name can't tell",
}
ENDINGS = (".png", ".jpg")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--labels", type=Path, required=True, help="folder label_2, or one of its .txt files")
    add_images(parser, what="LABELS/../image_2")
    add_names(parser, occluded=False)


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the files, picture by picture."""
    files = label_files(options.labels)
    root = options.images or files[0].parent.parent / "image_2"
    pictures = Pictures.below(root, tally)
    source = Source(NAME, options.split, stated(options.labels, NAMES, LICENCE), None)
    for file in files:
        found = list(objects(file))
        if not found:
            tally.drop("label files without an object", file)
            continue
        paths = [pictures.find(file.stem + ending) for ending in ENDINGS]
        image = next(filter(exists, paths), "")
        if not image:
            tally.missing(paths[0])
            tally.drop("label files whose picture is missing: it has the size", file)
            continue
        images: dict[Hashable, Shown] = {file.stem: Shown(image, *picture_size(image, Place(str(file))))}
        yield from samples(found, images, {}, source, options, tally)


def label_files(labels: Path) -> list[Path]:
    """List the label files of a folder; a file stands for itself."""
    if labels.is_file():
        return [labels]
    files = sorted(labels.glob("*.txt")) if labels.is_dir() else []
    if not files:
        raise Place(str(labels)).error("no folder with label files such as 000000.txt; name KITTI's label_2")
    return files


def objects(file: Path) -> Iterator[Found]:
    """Read the objects of a label file."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise Place(str(file)).error(f"not a text of KITTI's ({error}); name its label_2") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _object(line.split(), file.stem, f"{file.stem}-{number}", Place(str(file), f"line {number}"))


def _object(parts: list[str], image: str, annotation: str, place: Place) -> Found:
    if len(parts) == len(FIELDS) + 1:
        raise place.error("16 fields, of which the last is a detector's score; labels have 15, and stand in label_2")
    if len(parts) != len(FIELDS):
        raise place.error(f"{len(parts)} fields, where {len(FIELDS)} must stand: {', '.join(FIELDS)}")
    values = {name: fields.number(name, part, place) for name, part in zip(FIELDS[1:], parts[1:], strict=True)}
    box = fields.xyxy(
        {"left, top, right, bottom": [values[name] for name in FIELDS[4:8]]}, "left, top, right, bottom", place
    )
    left_out = UNNAMED.get(parts[0], "")
    name = parts[0].replace("_", " ").lower()
    return Found(place, image, annotation, None, box, None, name=name, category=parts[0], left_out=left_out)


KIND = Kind(
    "kitti",
    "KITTI's label_2: visible boxes of road users, named by their class",
    LICENCE,
    arguments,
    read,
    "--labels kitti/training/label_2",
)
