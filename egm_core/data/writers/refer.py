"""REFER's files, as RefCOCO has them: `refs(NAME).p` and `instances.json` in a folder."""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import DataError, Tally
from egm_core.data.readers.referring.refer import INSTANCES, PARTITIONS, SPLITS
from egm_core.data.writers.categories import OTHER, Categories
from egm_core.data.writers.objects import objects, picture_ids, xywh
from egm_core.data.writers.writer import Placed, Writer, add_copy, seen
from egm_core.sample import Sample

# What Python 2 wrote, and every copy of refer.py reads.
PROTOCOL = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Name the partition."""
    parser.add_argument("--partition", choices=PARTITIONS, default=PARTITIONS[0], help="whose split: refs(NAME).p")
    parser.add_argument("--split", choices=SPLITS, default="val", help="split of samples whose own is none of REFER's")
    add_copy(parser)


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write samples into a folder; one object is one ref with all of its expressions."""
    file = out / f"refs({options.partition}).p"
    if others := sorted(path.name for path in out.glob("refs(*)*") if path.name != file.name):
        raise DataError(
            f"{out} has {' and '.join(others)}, whose annotations are those of its {INSTANCES}; give another folder"
        )
    found = objects(seen(samples, tally))
    ids, placed = picture_ids(one.sample for one in found), Placed(out, options.copy)
    named = Categories()
    of = [named.name(one.sample) for one in found]
    named.tell(tally)
    categories = {name: number for number, name in enumerate(sorted(set(of)), 1)}
    images: dict[int, dict[str, Any]] = {}
    annotations, refs, sentence = [], [], 0
    for number, (one, kind) in enumerate(zip(found, of, strict=True), 1):
        sample, image = one.sample, ids[one.sample.picture]
        category, name = categories[kind], placed.name(sample)
        images.setdefault(image, {"id": image, "file_name": name, "height": sample.height, "width": sample.width})
        box = xywh(one.box)
        annotations.append(
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "segmentation": [_outline(one.box)],
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
        )
        said = []
        for sent in one.sentences:
            said.append({"sent_id": sentence, "sent": sent, "raw": sent, "tokens": sent.split()})
            sentence += 1
        split = sample.split if sample.split in SPLITS else options.split
        if split != sample.split:
            tally.note(f"split {sample.split!r} is none of REFER's: written as {split} (--split)")
        path = PurePosixPath(name)
        refs.append(
            {
                "ref_id": number - 1,
                "ann_id": number,
                "image_id": image,
                "category_id": category,
                "split": split,
                "file_name": f"{path.stem}_{number}{path.suffix}",
                "sent_ids": [one["sent_id"] for one in said],
                "sentences": said,
            }
        )
    out.mkdir(parents=True, exist_ok=True)
    names = [{"id": number, "name": name, "supercategory": OTHER} for name, number in categories.items()]
    document = {"info": {}, "images": list(images.values()), "annotations": annotations, "categories": names}
    (out / INSTANCES).write_text(json.dumps(document), encoding="utf-8")
    file.write_bytes(pickle.dumps(refs, PROTOCOL))
    return sentence


def _outline(box: tuple[float, float, float, float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1, y0, x1, y1, x0, y1]


WRITER = Writer(
    "refer",
    "REFER's refs(NAME).p and instances.json, in a folder",
    write,
    "val.jsonl --out refer/mine",
    arguments,
    keeps=("category", "split", "image_id"),
    folder=True,
    files=(INSTANCES, "refs(*)*"),
)
