"""REFER's files with a few references, as REFER's authors write them."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

IMAGE = {"license": 1, "file_name": "COCO_train2014_000000581857.jpg", "height": 640, "width": 427, "id": 581857}
ANNOTATION = {
    "segmentation": [[223.18, 477.41, 178.25, 476.84, 167.3, 468.2]],
    "area": 1.0,
    "iscrowd": 0,
    "image_id": 581857,
    "bbox": [103.93, 299.99, 134.22, 177.42],
    "category_id": 1,
    "id": 1719310,
}
REF = {
    "sent_ids": [0, 1],
    "file_name": "COCO_train2014_000000581857_16.jpg",
    "ann_id": 1719310,
    "ref_id": 0,
    "image_id": 581857,
    "split": "train",
    "sentences": [
        {"tokens": ["the", "lady"], "raw": "THE LADY", "sent_id": 0, "sent": "the lady"},
        {"tokens": ["blue", "shirt"], "raw": "blue shirt", "sent_id": 1, "sent": "blue shirt"},
    ],
    "category_id": 1,
}
INSTANCES = {"info": {}, "images": [IMAGE], "annotations": [ANNOTATION], "categories": [{"id": 1, "name": "person"}]}


def ref(number: int, split: str, sents: tuple[str, ...] = ("a thing",), image: int = 581857) -> dict[str, Any]:
    """Give a reference whose ids are made from a number."""
    sentences = [{"sent_id": 10 * number + i, "sent": s, "raw": s, "tokens": s.split()} for i, s in enumerate(sents)]
    return {
        **deepcopy(REF),
        "ref_id": number,
        "split": split,
        "sentences": sentences,
        "image_id": image,
        "ann_id": 1719310 if image == 581857 else 1000 + image,
    }


def write(root: Path, refs: Any, instances: Any = None, name: str = "refs(unc).p", protocol: int = 2) -> Path:
    """Write a data set's folder."""
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(pickle.dumps(refs, protocol))
    (root / "instances.json").write_text(json.dumps(INSTANCES if instances is None else instances))
    return root


def pictures(*images: int) -> dict[str, Any]:
    """Give `instances.json` with these pictures, an annotation each."""
    shown = [{**IMAGE, "id": i, "file_name": f"COCO_train2014_{i:012d}.jpg"} for i in images]
    boxes = [{**ANNOTATION, "id": 1719310 if i == 581857 else 1000 + i, "image_id": i} for i in images]
    return {**INSTANCES, "images": shown, "annotations": boxes}
