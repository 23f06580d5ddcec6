"""Pictures that must not be trained on, by their ids: those of evaluation splits.

COCO's pictures are known by COCO's id in whatever data set they are, for RefCOCO, COCO-Amodal and others share them.
Other pictures are known by their data set and its own id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import Place
from egm_core.data.readers.referring.refer import read_refs
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.pictures import coco_id
from egm_core.sample import Sample, read_samples

TRAIN = "train"
TAO = "TAO-Amodal"
OF_COCO = ("COCO", "RefC", "Ref-L4", "GroundingME", "gRef")


@dataclass(frozen=True)
class Excluded:
    """Keys of pictures, and how many each file gave."""

    keys: frozenset[str] = frozenset()
    files: tuple[tuple[str, int], ...] = ()

    def __contains__(self, sample: object) -> bool:
        return isinstance(sample, Sample) and any(key in self.keys for key in keys(sample))

    def words(self) -> list[str]:
        """Say where they are from, a line a file."""
        return [f"{count:,} images of {name} are to be kept out" for name, count in self.files]


def keys(sample: Sample) -> Iterator[str]:
    """Give the keys of a sample's picture."""
    yield from _keys(sample.image, sample.image_id, sample.source)


def _keys(image: str, number: str, source: str) -> Iterator[str]:
    if coco := coco_id(PurePosixPath(image).name):
        yield f"coco {coco}"
    elif source.startswith(OF_COCO) and number:
        yield f"coco {number.lstrip('0') or '0'}"
    if number:
        yield f"{source} {number}"


def read(files: Iterable[Path]) -> Excluded:
    """Read the pictures of files: sample files, files in COCO's layout, and REFER's `refs(...).p`.

    Of REFER's references and of samples those of the split `train` do not count; of other files every picture does.
    ValueError names a file of another kind.
    """
    found: set[str] = set()
    told = []
    for file in files:
        mine = list(_of_file(file))
        if not mine:
            raise ValueError(f"{file} has no picture of an evaluation split; is it the right file?")
        found.update(key for of_one in mine for key in of_one)
        told.append((file.name, len(set(mine))))
    return Excluded(frozenset(found), tuple(told))


def _of_file(file: Path) -> Iterator[tuple[str, ...]]:
    if file.suffix in (".jsonl", ".parquet"):
        for sample in read_samples(file):
            if sample.split != TRAIN:
                yield tuple(keys(sample))
    elif file.suffix == ".p":
        for ref in read_refs(file):
            if ref.split != TRAIN:
                yield (f"coco {ref.image_id}",)
    elif file.suffix == ".json":
        for name, number, record in arrays(file, ("images",)):
            if name == "images":
                yield _image(record, Place(str(file), f"images {number}"))
    else:
        raise ValueError(f"{file}: pictures to keep out stand in .jsonl, .parquet, .json or .p files")


def _image(record: Any, place: Place) -> tuple[str, ...]:
    record = fields.mapping(record, place)
    # TAO's frames belong to videos; without that a number alone is taken for COCO's.
    source = TAO if "video_id" in record or "video" in record else "COCO"
    number = fields.whole(record, "id", place)
    return tuple(_keys(fields.text(record, "file_name", place), str(number), source))
