"""REFER's own files: `refs(unc).p` and its kin, a pickle of references, and `instances.json` in COCO's layout.

A reference is an object with several sentences, and each sentence is a sample. Boxes come from `instances.json`, and so
do the names of pictures: those in the references have an annotation's suffix. Polygons are not decoded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from egm_core.boxes import Box
from egm_core.data.readers.kind import DataError, Kind, Place, Tally
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.called import SET
from egm_core.data.readers.shared.json_stream import batches
from egm_core.data.readers.shared.pictures import Pictures, add_images
from egm_core.data.readers.shared.plain_pickle import as_text, load, with_text_keys
from egm_core.data.readers.shared.splits import LICENCE, SETS, licence_of, told
from egm_core.sample import Sample

PARTITIONS = ("unc", "umd", "google")
SPLITS = ("train", "val", "test", "testA", "testB", "testC", "testAB", "testBC", "testAC")
INSTANCES = "instances.json"
# Below the folder that a data set's folder is in.
IMAGES = "images/mscoco/images/train2014"


class Annotation(msgspec.Struct, gc=False):
    """What is needed of an annotation; its polygons, which are most of the file, are not.

    The box is decoded where it is asked for: hardly one of ten is.
    """

    id: Any
    image_id: Any
    category_id: Any
    bbox: msgspec.Raw


class Image(msgspec.Struct, gc=False):
    """What is needed of a picture."""

    id: Any
    file_name: Any
    width: Any
    height: Any


@dataclass(frozen=True, slots=True)
class Ref:
    """One object of one picture with its sentences, each a text with its id."""

    place: Place
    ref_id: int
    annotation_id: int
    image_id: int
    split: str
    sentences: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Instances:
    """What `instances.json` says of the annotations and pictures asked for."""

    path: Path
    images: dict[int, tuple[str, int, int]]
    boxes: dict[int, tuple[int, Box, int]]
    categories: dict[int, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the files."""
    parser.add_argument(
        "--root",
        type=Path,
        nargs="+",
        required=True,
        help="folder of a data set, such as refcoco+, with refs(...).p and instances.json; several may be given",
    )
    parser.add_argument(
        "--partition",
        choices=("auto", *PARTITIONS),
        default="auto",
        help="whose split; auto: umd for RefCOCOg, unc else. google's val shares images with its train",
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        nargs="+",
        default=[],
        metavar="SPLIT",
        help=f"splits to read, of {', '.join(SPLITS)} (default: all); a reference of testAB is in testA and in testB, "
        "once in each that is named",
    )
    add_images(parser, what=f"ROOT/../{IMAGES}, as REFER has them")


def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
    """Read the samples of data sets."""
    there: dict[str, None] = {}
    for root in options.root:
        file = refs_file(root, options.partition)
        own: dict[str, None] = {}
        refs = list(read_refs(file, options.split, own))
        there |= own
        if not refs:
            wanted = " or ".join(options.split) or "any split"
            tally.note(f"{file} has no reference of {wanted}; it has {', '.join(own) or 'none'}")
            continue
        if source_of(root) not in SETS.values():
            tally.note(f"{root} is none of {', '.join(sorted(set(SETS.values())))} by its name: no licence is recorded")
        tally.guess(SET, source_of(root), "", str(root))
        images = options.images or root.parent / IMAGES
        yield from samples(refs, instances(root / INSTANCES, refs), source_of(root), images, tally)
    # RefCOCOg has no testA, and is read beside RefCOCO, which has one: only what all lack may be mistyped.
    lacking = [split for split in options.split if not any(matches(one, split) for one in there)]
    if lacking and len(lacking) < len(options.split):
        tally.note(f"no reference is of {' or '.join(lacking)}; there are {', '.join(there)}")


def source_of(root: Path) -> str:
    """Give the name of the data set in a folder, which the folder's own name tells."""
    name = root.resolve().name
    return told(name)[0] or name


def refs_file(root: Path, partition: str = "auto") -> Path:
    """Give the file of a data set's references; DataError where it is not there, with those that are."""
    if not root.is_dir():
        told_of = "a file" if root.exists() else "not there"
        raise Place(str(root)).error(f"it is {told_of}; name the folder in which refs(...).p and {INSTANCES} lie")
    if partition == "auto":
        partition = "umd" if source_of(root) == "RefCOCOg" else "unc"
    for ending in ("p", "json"):
        if (file := root / f"refs({partition}).{ending}").is_file():
            return file
    there = ", ".join(sorted(path.name for path in root.glob("refs(*)*"))) or "none"
    raise Place(str(root)).error(f"it has no refs({partition}).p; there are {there}; see --root and --partition")


def read_refs(file: Path, splits: Sequence[str] = (), there: dict[str, None] | None = None) -> Iterator[Ref]:
    """Read the references of some splits, by default of all; a split is matched as REFER's own code does.

    One of testAB is one of testA and one of testB, and is given once for each of them that is asked for. `there`
    gets the splits that the file has, in its order.
    """
    found = load(file) if file.suffix == ".p" else fields.document(file)
    if not isinstance(found, list):
        raise Place(str(file)).wrong("the file", type(found).__name__, "a list of references must stand in it")
    name = str(file)
    asked: dict[Any, tuple[str, ...]] = {}
    for number, record in enumerate(found):
        try:
            # Most references are of splits that are known, and not asked for.
            if not asked[record["split"]]:
                continue
        except (TypeError, KeyError):
            pass
        place = Place(name, f"ref {number}")
        record = fields.mapping(with_text_keys(record), place)
        split = fields.value(record, "split", place)
        if not isinstance(split, (str, bytes)):
            raise place.wrong("split", split, "a text must stand here")
        if split not in asked:
            asked[split] = _taken(as_text(split), splits, place)
            if there is not None:
                there.setdefault(as_text(split))
        for taken in asked[split]:
            yield _ref(record, place, taken)


def matches(split: str, asked: str) -> bool:
    """Tell whether a reference's split belongs to the one asked for: testAB is in testA, all of test in test."""
    if asked in ("testA", "testB", "testC"):
        return asked[-1] in split
    return "test" in split if asked == "test" else split == asked


def instances(path: Path, refs: Sequence[Ref]) -> Instances:
    """Read the boxes of references and the sizes of their pictures."""
    wanted, shown = {ref.annotation_id for ref in refs}, {ref.image_id for ref in refs}
    found = Instances(path, {}, {}, {})
    keep: dict[str, Any] = {"annotations": Annotation, "images": Image}
    for name, first, records in batches(path, ("images", "annotations", "categories"), keep):
        asked = {"annotations": wanted, "images": shown}.get(name)
        for number, record in _asked(records, first, asked):
            place = Place(str(path), f"{name} {number}")
            record = fields.mapping(record, place)
            key = fields.whole(record, "id", place)
            if name == "annotations":
                box = fields.xywh(record, "bbox", place)
                category = fields.whole(record, "category_id", place)
                of = (fields.whole(record, "image_id", place), box, category)
                fields.once(found.boxes, key, of, "the annotation id", place)
            elif name == "images":
                image = (fields.text(record, "file_name", place), *fields.size(record, place))
                fields.once(found.images, key, image, "the image id", place)
            else:
                fields.once(found.categories, key, fields.text(record, "name", place), "the category id", place)
    return found


def samples(refs: Sequence[Ref], known: Instances, source: str, root: Path, tally: Tally) -> Iterator[Sample]:
    """Put references and their boxes together: a sample for each sentence."""
    pictures = Pictures.below(root, tally)
    for ref in refs:
        image_id, box, category = entry(ref.annotation_id, known.boxes, "ann_id", "annotation", ref, known)
        name, width, height = entry(ref.image_id, known.images, "image_id", "image", ref, known)
        if image_id != ref.image_id:
            raise ref.place.wrong("image_id", ref.image_id, f"its annotation {ref.annotation_id} is of {image_id}")
        if why := fields.unusable(box, width, height, sides=True):
            tally.drop(f"references where {why}", ref.place, wrong=True)
            continue
        image = pictures.find(name)
        ids = str(ref.image_id), str(ref.annotation_id), str(ref.ref_id)
        named, licence = known.categories.get(category, ""), licence_of(source)
        for sentence_id, sent in ref.sentences:
            if not sent.strip():
                tally.drop("sentences without a word", f"{ref.place}, sentence {sentence_id}")
                continue
            yield Sample(
                image=image,
                sent=sent,
                bbox=box,
                amodal_bbox=None,
                visible_fraction=None,
                height=height,
                width=width,
                source=source,
                split=ref.split,
                image_id=ids[0],
                annotation_id=ids[1],
                ref_id=ids[2],
                sentence_id=sentence_id,
                licence=licence,
                category=named,
            )


def _asked(records: list[Any], first: int, ids: Collection[int] | None) -> list[tuple[int, Any]]:
    """Number records, and take those with some ids; all where ids cannot be told, so that the wrong one is named."""
    try:
        asked = [(n, one) for n, one in enumerate(records, first) if ids is None or one.id in ids]
        return [(number, _plain(one)) for number, one in asked]
    except (TypeError, AttributeError):
        # What lacks a field comes as a dictionary.
        pass
    try:
        return [(n, one) for n, one in enumerate(records, first) if ids is None or one["id"] in ids]
    except (TypeError, KeyError):
        return list(enumerate(records, first))


def _plain(one: msgspec.Struct) -> dict[str, Any]:
    found = msgspec.structs.asdict(one)
    return {name: json.loads(bytes(v)) if isinstance(v, msgspec.Raw) else v for name, v in found.items()}


def _taken(split: str, splits: Sequence[str], place: Place) -> tuple[str, ...]:
    """Give the splits that a reference is taken for, however they are ordered; none where it is not asked for."""
    if split not in SPLITS:
        raise place.wrong("split", split, f"one of {', '.join(SPLITS)} must stand here")
    if not splits:
        return (split,)
    asked = {one for one in splits if matches(split, one)}
    # All of test is under its own names, unless a part of it is asked for by name.
    return tuple(sorted(asked - {"test"})) or ((split,) if asked else ())


def _ref(record: dict[str, Any], place: Place, split: str) -> Ref:
    ref_id = fields.whole(record, "ref_id", place)
    place = Place(place.file, f"{place.record} (ref_id {ref_id})")
    said = []
    for number, sentence in enumerate(fields.listed(record, "sentences", place)):
        at = Place(place.file, f"{place.record}, sentence {number}")
        sentence = fields.mapping(with_text_keys(sentence), at)
        sent = as_text(fields.value(sentence, "sent", at))
        if not isinstance(sent, str) or not fields.writable(sent):
            raise at.wrong("sent", sent, "a text must stand here")
        said.append((str(fields.whole(sentence, "sent_id", at)), " ".join(sent.split())))
    return Ref(
        place,
        ref_id,
        fields.whole(record, "ann_id", place),
        fields.whole(record, "image_id", place),
        split,
        tuple(said),
    )


def entry(key: int, known: dict[int, Any], name: str, what: str, ref: Ref, of: Instances) -> Any:
    """Give what `instances.json` has of an id; DataError names the reference's field where it has nothing."""
    try:
        return known[key]
    except KeyError:
        raise _unknown(key, name, what, ref, of) from None


def _unknown(key: int, name: str, what: str, ref: Ref, of: Instances) -> DataError:
    return ref.place.wrong(name, key, f"{of.path} has no {what} of that id; see that both are of one data set")


KIND = Kind(
    "refer",
    "REFER's own files of RefCOCO, RefCOCO+ and RefCOCOg: refs(...).p and instances.json",
    LICENCE,
    arguments,
    read,
    "--root data/refcoco data/refcoco+ data/refcocog --split val testA testB test --images coco/train2014",
)
