"""Small files of COCO-Amodal and TAO-Amodal for tests of the sets, with pictures on wish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as library

WIDTH, HEIGHT = 200, 150
Box = tuple[int, int, int, int]


def rle(*boxes: Box) -> dict[str, Any]:
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = 1
    found = library.encode(pixels)
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


def region(order: int, name: str, whole: Box, seen: Box | None = None, **more: Any) -> dict[str, Any]:
    """Write a region; `seen` is what is visible of it, at its left or upper end."""
    x0, y0, x1, y1 = whole
    told: dict[str, Any] = {
        "segmentation": [x0, y0, x1, y0, x1, y1, x0, y1], "name": name, "area": 1, "isStuff": 0, "occlude_rate": 0,
        "order": order,
    }  # fmt: skip
    if seen is not None:
        share = (seen[2] - seen[0]) * (seen[3] - seen[1]) / ((x1 - x0) * (y1 - y0))
        hidden = (seen[2], y0, x1, y1) if seen[2] < x1 else (x0, seen[3], x1, y1)
        told |= {"occlude_rate": 1 - share, "visible_mask": rle(seen), "invisible_mask": rle(hidden)}
    return told | more


# What most pictures of these tests hold: a box in front of a mug, a wall, and a crumb that is too small to ask for.
REGIONS = (
    region(1, "box ", (80, 40, 160, 120)),
    region(2, "mug", (20, 50, 120, 110), (20, 50, 80, 110)),
    region(3, "mug", (5, 5, 45, 45), (5, 5, 45, 30)),
    region(4, "crumb", (180, 5, 190, 15), (180, 5, 184, 15)),
    region(5, "wall", (0, 0, 200, 150), (0, 0, 80, 150), isStuff=1),
)

# A car of which 40 of 100 columns are seen.
HALF_HIDDEN = {"bbox": [10, 20, 40, 60], "amodal_bbox": [10, 20, 100, 60], "visibility": 0.4}


def coco_amodal(path: Path, numbers: tuple[int, ...] = (7,), regions: tuple[dict[str, Any], ...] = REGIONS,
                kind: str = "train2014", pictures: bool = True) -> Path:  # fmt: skip
    """Write a COCO-Amodal file whose pictures all show the same."""
    names = {number: f"COCO_{kind}_{number:012d}.jpg" for number in numbers}
    images = [{"id": n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in names.items()]
    told = [{"id": n, "image_id": n, "author": "x", "size": len(regions), "regions": list(regions),
             "depth_constraint": "1-2,1-5"} for n in numbers]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": told}))
    for number, name in names.items() if pictures else ():
        picture(path.parent / name, 10 + number)
    return path


def tao_amodal(path: Path, *objects: dict[str, Any], frames: int = 1, pictures: bool = True) -> Path:
    """Write a TAO-Amodal file of one video, in which every frame has the same objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for frame in range(1, frames + 1):
        name = f"v/frame{frame:04d}.jpg"
        images.append({"id": frame, "video_id": 1, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for number, one in enumerate(objects):
            annotations.append({"id": f"1_{frame}_{number}", "image_id": frame, "track_id": number, "category_id": 1,
                                "amodal_is_uncertain": False, **one})  # fmt: skip
        if pictures:
            (path.parent / "v").mkdir(exist_ok=True)
            picture(path.parent / name, frame)
    categories = [{"id": 1, "name": "car_(automobile)"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def picture(path: Path, shade: int = 0) -> Path:
    image = np.full((HEIGHT, WIDTH, 3), 90 + shade, np.uint8)
    image[40:120, 80:160] = (30, 60, 120)
    image[50:110, 20:80] = (30, 30, 200)
    cv2.imwrite(str(path), image)
    return path
