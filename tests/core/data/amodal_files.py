"""Writes small files of amodal data sets in their exact layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as library

WIDTH, HEIGHT = 64, 48
IMAGE = {"id": 7, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}


def rle(*box: int, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    """Pack the mask of a rectangle; of nothing without a box."""
    pixels = np.zeros((height, width), np.uint8, order="F")
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = 1
    mask = library.encode(pixels)
    return {"size": mask["size"], "counts": mask["counts"].decode()}


def outline(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def region(order: int, name: str, box: tuple[float, float, float, float], **more: Any) -> dict[str, Any]:
    """Write a region of COCO-Amodal that nothing hides."""
    return {
        "segmentation": outline(*box),
        "name": name,
        "area": 1,
        "isStuff": 0,
        "occlude_rate": 0,
        "order": order,
        **more,
    }


def cocoa(path: Path, *found: dict[str, Any], **more: Any) -> Path:
    """Write a COCO-Amodal file of one picture."""
    annotation = {"id": 3, "image_id": 7, "author": "x", "size": len(found), "regions": list(found), **more}
    return document(path, {"images": [IMAGE], "annotations": [annotation]})


def document(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def coco(path: Path, *annotations: dict[str, Any], image: dict[str, Any] = IMAGE, **more: Any) -> Path:
    """Write a file in COCO's layout, categories last."""
    filled = [{"id": n, "image_id": 7, "category_id": 1, "iscrowd": 0, **one} for n, one in enumerate(annotations, 1)]
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "traffic_cone"}]
    return document(path, {"images": [image], "annotations": filled, "categories": categories, **more})
