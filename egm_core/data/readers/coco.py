"""COCO's layout with boxes and categories, as FiftyOne and most labelling tools export it.

The expression is an annotation's own where it has one (`expression`, as `egm data write coco` leaves it), else its
category's name, which no other object of the picture may then have, whatever its category's id.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from egm_core.boxes import Box
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SET, SPLIT, Chosen
from egm_core.data.readers.shared.named import AMBIGUOUS, TWICE, add_names, cleaned, split_of
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample
from egm_core.sample.record import far
from egm_core.sample.worlds import apart

LICENCE = "that of the file; COCO's own annotations are CC BY 4.0, its images keep their Flickr terms"
EXPRESSION = "expression"
# Where it stands, the record, and the ids of its image and category.
Annotation: TypeAlias = tuple[Place, dict[str, Any], str, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the file."""
    parser.add_argument("--file", type=Path, required=True, help="annotations in JSON")
    add_images(parser)
    add_names(parser, occluded=False)
    parser.add_argument("--source", default="", help="name of the data set (default: the file's)")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read an annotation's box with its expression."""
    place = Place(str(options.file))
    document = fields.mapping(fields.document(options.file), place)
    names = _by_id(_categories(document, place), "the category id", place)
    images = _by_id(_images(document, place), "the image id", place)
    annotations = [
        (at, record, _key(record, "image_id", at), _key(record, "category_id", at))
        for at, record in _records(document, "annotations", "annotation", place)
    ]
    named = {category: cleaned(name).casefold() for category, name in names.items()}
    annotations = _once(annotations, tally)
    alike = Counter((image, named.get(category)) for _, _, image, category in annotations)
    pictures = Pictures.below(options.images or options.file.parent, tally)
    sizes: dict[str, tuple[str, int, int]] = {}
    file = options.file
    called = (
        Chosen(SET, "--source", options.source, file.stem, str(file)),
        Chosen(SPLIT, "--split", options.split, split_of(file), str(file)),
    )
    for at, record, image, category in annotations:
        if image not in images:
            raise at.wrong("image_id", record["image_id"], "an id of images must stand here")
        if category not in names:
            raise at.wrong("category_id", record["category_id"], "an id of categories must stand here")
        own = record.get(EXPRESSION)
        if fields.flag(record, "iscrowd", at):
            tally.drop("boxes of crowds", at)
        elif not own and alike[image, named[category]] > 1 and options.names == "unique":
            tally.drop(AMBIGUOUS, at)
        else:
            if image not in sizes:
                sizes[image] = _picture(images[image], pictures)
            yield from _sample(record, own or names[category], names[category], sizes[image], called, tally, at)
    for one in called:
        one.tell(tally)


def _sample(
    record: dict[str, Any],
    sent: str,
    category: str,
    picture: tuple[str, int, int],
    called: tuple[Chosen, Chosen],
    tally: Tally,
    place: Place,
) -> Iterator[Sample]:
    path, width, height = picture
    fields.text({EXPRESSION: sent}, EXPRESSION, place)
    box: Box | None = fields.xywh(record, "bbox", place)
    amodal = fields.xywh(record, "amodal_bbox", place) if record.get("amodal_bbox") is not None else None
    fraction = record.get("visible_fraction")
    if fraction is not None and not (fields.is_number(fraction) and 0 <= fraction <= 1):
        raise place.wrong("visible_fraction", fraction, "a number from 0 to 1 must stand here")
    hidden = fraction == 0 and amodal is not None
    why = "" if hidden or box is None else fields.unusable(box, width, height, sides=True)
    if amodal is not None and (amodal[0] >= amodal[2] or amodal[1] >= amodal[3] or far(amodal, width, height)):
        raise place.wrong("amodal_bbox", record["amodal_bbox"], "left, top, width and height in pixels must stand here")
    if why:
        tally.drop(why, place, wrong=True)
        return
    data_set = called[0].take(fields.words(record, "source", place))
    source, world, kind = apart(data_set, *(fields.words(record, name, place) for name in ("world", "expression_kind")))
    yield Sample(
        image=path,
        sent=sent,
        bbox=None if hidden else box,
        amodal_bbox=amodal,
        visible_fraction=fraction,
        height=height,
        width=width,
        source=source,
        split=called[1].take(fields.words(record, "split", place)),
        image_id=str(record["image_id"]),
        annotation_id=fields.identity(record, "id", place),
        licence=fields.words(record, "licence", place),
        category=category,
        world=world,
        expression_kind=kind,
    )


def _once(annotations: list[Annotation], tally: Tally) -> list[Annotation]:
    """Leave out annotations that stand there again, field by field: they are one object."""
    kept: dict[tuple[str, str, str, str], list[Annotation]] = {}
    found = []
    for one in annotations:
        at, record, image, category = one
        same = kept.setdefault((image, category, repr(record.get("id")), repr(record.get("bbox"))), [])
        if any(record == other for _, other, _, _ in same):
            tally.drop(TWICE, at)
            continue
        same.append(one)
        found.append(one)
    return found


def _records(document: dict[str, Any], name: str, one: str, place: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    for number, record in enumerate(fields.listed(document, name, place), 1):
        at = Place(place.file, f"{one} {number}")
        yield at, fields.mapping(record, at)


def _by_id(told: Iterable[tuple[Any, Any]], what: str, place: Place) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    seen: dict[Any, Any] = {}
    for key, one in told:
        # A record that stands there twice is one.
        fields.once(seen, key, one[0] if isinstance(one, tuple) else one, what, place)
        found[key] = one
    return found


def _categories(document: dict[str, Any], place: Place) -> Iterator[tuple[str, str]]:
    for at, record in _records(document, "categories", "category", place):
        yield _key(record, "id", at), fields.text(record, "name", at)


def _images(document: dict[str, Any], place: Place) -> Iterator[tuple[str, tuple[dict[str, Any], Place]]]:
    for at, record in _records(document, "images", "image", place):
        fields.text(record, "file_name", at)
        yield _key(record, "id", at), (record, at)


def _key(record: dict[str, Any], name: str, place: Place) -> str:
    """Take an id that must be there."""
    fields.value(record, name, place)
    return fields.identity(record, name, place) or fields.text(record, name, place)


def _picture(known: tuple[dict[str, Any], Place], pictures: Pictures) -> tuple[str, int, int]:
    record, place = known
    path = pictures.find(record["file_name"])
    size = fields.size(record, place) if "width" in record or "height" in record else pictures.size(path, place)
    return path, *size


KIND = Kind(
    "coco",
    "COCO's layout: boxes and categories, as labelling tools and FiftyOne export them",
    LICENCE,
    arguments,
    read,
    "--file instances.json --images coco/train2017",
)
