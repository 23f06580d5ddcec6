"""gRefCOCO: expressions about one object, several, or none; `grefs(unc).json` beside `instances.json`.

A sample has one box. Expressions about several objects are counted and left out of samples; those about none are
absent. `expressions` gives all three, for `egm evaluate every`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.boxes import Box
from egm_core.data.readers.kind import Kind, Place, Tally
from egm_core.data.readers.referring.refer import INSTANCES, SPLITS, Ref, entry, instances, matches, samples
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.licence import stated
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.sample import Sample

LICENCE = "gRefCOCO: none told with the files, see the data set's page; COCO's images keep their Flickr terms"
NAMES = "grefcoco"
NONE = -1


@dataclass(frozen=True)
class GRef:
    """A reference with as many annotations as it is about; an empty tuple for none."""

    ref: Ref
    annotations: tuple[int, ...]


@dataclass(frozen=True)
class Expression:
    """An expression with the boxes of what is seen of all objects that it is about; the ids are the data set's."""

    image: str
    size: tuple[int, int]
    sent: str
    boxes: tuple[Box, ...]
    image_id: int
    ref_id: int
    sentence_id: str
    split: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument("--root", type=Path, required=True, help="folder with grefs(unc).json and instances.json")
    parser.add_argument(
        "--instances", type=Path, help="COCO's instances_train2014.json (default: ROOT's instances.json)"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        nargs="+",
        default=[],
        metavar="SPLIT",
        help=f"splits to read, of {', '.join(SPLITS)} (default: all)",
    )
    add_images(parser, what="ROOT")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of the data set."""
    refs = []
    for found in _refs(options.root / "grefs(unc).json", options.split):
        if len(found.annotations) > 1:
            for _ in found.ref.sentences:
                tally.drop(
                    "expressions about several objects: a sample has one box, and `egm evaluate every --grefcoco` asks"
                    " about them",
                    found.ref.place,
                )
        else:
            refs.append(found)
    known = instances(options.instances or options.root / INSTANCES, [found.ref for found in refs])
    images = options.images or options.root
    pictures, licence = Pictures.below(images, tally), stated(options.root, NAMES, LICENCE)
    for found in refs:
        if found.annotations:
            for sample in samples([found.ref], known, "gRefCOCO", images, tally):
                yield replace(sample, licence=licence)
            continue
        ref = found.ref
        name, width, height = entry(ref.image_id, known.images, "image_id", "image", ref, known)
        for sentence_id, sent in ref.sentences:
            yield Sample(
                pictures.find(name),
                sent,
                None,
                None,
                None,
                height,
                width,
                source="gRefCOCO",
                split=ref.split,
                image_id=str(ref.image_id),
                ref_id=str(ref.ref_id),
                sentence_id=sentence_id,
                licence=licence,
            )


def expressions(
    root: Path, splits: Sequence[str], file: Path | None, images: Path | None, tally: Tally
) -> Iterator[Expression]:
    """Read the expressions of some splits (none named: of all), about none, one and several objects.

    `file` is COCO's instances_train2014.json (None: ROOT's instances.json). Of a reference of which one box can be none
    no expression is given: what would be right is not known.
    """
    refs = list(_refs(root / "grefs(unc).json", splits))
    each = [replace(found.ref, annotation_id=one) for found in refs for one in found.annotations or (NONE,)]
    known = instances(file or root / INSTANCES, each)
    pictures = Pictures.below(images or root, tally)
    for found in refs:
        ref = found.ref
        name, width, height = entry(ref.image_id, known.images, "image_id", "image", ref, known)
        boxes, once = [], dict.fromkeys(found.annotations)
        for _ in range(len(found.annotations) - len(once)):
            tally.drop("objects that a reference names twice: they are taken once", ref.place)
        for one in once:
            image_id, box, _ = entry(one, known.boxes, "ann_id", "annotation", ref, known)
            if image_id != ref.image_id:
                raise ref.place.wrong("image_id", ref.image_id, f"its annotation {one} is of {image_id}")
            boxes.append(box)
        why = next((why for box in boxes if (why := fields.unusable(box, width, height, sides=True))), "")
        for sentence_id, sent in ref.sentences:
            if why:
                tally.drop(f"expressions of which {why}", ref.place, wrong=True)
                continue
            tally.kept += 1
            yield Expression(
                pictures.find(name), (width, height), sent, tuple(boxes), ref.image_id, ref.ref_id, sentence_id,
                ref.split,
            )  # fmt: skip


def _refs(file: Path, splits: Sequence[str]) -> Iterator[GRef]:
    for _, number, record in arrays(file):
        place = Place(str(file), f"ref {number}")
        record = fields.mapping(record, place)
        split = fields.known(fields.text(record, "split", place), SPLITS, "split", place)
        if splits and not any(matches(split, asked) for asked in splits):
            continue
        ref_id = fields.whole(record, "ref_id", place)
        place = Place(str(file), f"ref {number} (ref_id {ref_id})")
        said = []
        for at, sentence in enumerate(fields.listed(record, "sentences", place)):
            inside = Place(str(file), f"{place.record}, sentence {at}")
            sentence = fields.mapping(sentence, inside)
            said.append((str(fields.whole(sentence, "sent_id", inside)), fields.text(sentence, "sent", inside)))
        about = _annotations(record, place)
        image_id = fields.whole(record, "image_id", place)
        yield GRef(Ref(place, ref_id, about[0] if about else NONE, image_id, split, tuple(said)), about)


def _annotations(record: dict[str, Any], place: Place) -> tuple[int, ...]:
    found = fields.value(record, "ann_id", place)
    ids = found if isinstance(found, list) else [found]
    if not ids or not all(isinstance(one, int) and not isinstance(one, bool) for one in ids):
        raise place.wrong("ann_id", found, "a list of whole numbers, or [-1] for no object, must stand here")
    if NONE in ids and ids != [NONE]:
        raise place.wrong("ann_id", found, "-1 means that there is no object, and must stand alone")
    return () if ids == [NONE] else tuple(ids)


KIND = Kind(
    "grefcoco",
    "gRefCOCO: expressions about one object or none; `egm evaluate every --grefcoco` asks about several, too",
    LICENCE,
    arguments,
    read,
    "--root data/grefcoco --split val testA testB --images coco/train2014",
)
