"""COCO's layout, which FiftyOne and labelling tools import: expression and amodal box are extra fields."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from egm_core.data.readers.coco import EXPRESSION
from egm_core.data.readers.kind import Tally
from egm_core.data.writers.categories import OTHER, Categories
from egm_core.data.writers.objects import picture_ids, xywh
from egm_core.data.writers.writer import Placed, Writer, add_copy
from egm_core.sample import Sample


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write samples, an annotation each; of an absent object the picture alone is kept."""
    kept = list(samples)
    ids, placed = picture_ids(kept), Placed(out.parent, options.copy)
    named = Categories()
    of = ["" if sample.absent else named.name(sample) for sample in kept]
    named.tell(tally)
    categories = {name: number for number, name in enumerate(sorted(set(of) - {""}), 1)}
    images: dict[int, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for number, (sample, kind) in enumerate(zip(kept, of, strict=True), 1):
        image = ids[sample.picture]
        images.setdefault(
            image, {"id": image, "file_name": placed.name(sample), "width": sample.width, "height": sample.height}
        )
        shown = sample.bbox or sample.amodal_bbox
        if shown is None:
            tally.drop("absent objects: their pictures stay, without a box", f"sample {number}")
            continue
        if sample.bbox is None and not sample.hidden:
            tally.drop("objects whose visible box is not known: COCO's box is visible", f"sample {number}")
            continue
        box = xywh(shown)
        record = {
            "id": len(annotations) + 1,
            "image_id": image,
            "category_id": categories[kind],
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            EXPRESSION: sample.sent,
            "source": sample.source,
            "split": sample.split,
            "licence": sample.licence,
        }
        record |= {name: told for name in ("world", "expression_kind") if (told := getattr(sample, name))}
        if sample.amodal_bbox is not None:
            record["amodal_bbox"] = xywh(sample.amodal_bbox)
        if sample.visible_fraction is not None:
            record["visible_fraction"] = sample.visible_fraction
        annotations.append(record)
    names = [{"id": number, "name": name, "supercategory": OTHER} for name, number in categories.items()]
    document = {
        "info": {},
        "licenses": [],
        "images": list(images.values()),
        "annotations": annotations,
        "categories": names,
    }
    out.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(annotations)


WRITER = Writer(
    "coco",
    "COCO's layout, for FiftyOne and labelling tools",
    write,
    "val.jsonl --out coco.json",
    add_copy,
    keeps=(
        "amodal_bbox",
        "visible_fraction",
        "category",
        "source",
        "split",
        "licence",
        "world",
        "expression_kind",
        "image_id",
    ),
)
