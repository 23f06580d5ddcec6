"""Times the reader of COCO-Amodal on a synthetic file of the real one's size, beside Python's own json.

    tools/env.sh python tools/bench_amodal_reader.py --folder out/bench_amodal_reader

Each figure is of a process of its own: seconds on the clock and of the processor, and the most memory that it held.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_readers import timed
from pycocotools import mask as library

# The real training file: 56,915,940 bytes on 2,500 pictures; half of the regions read of the real set are occluded.
SIZE, PICTURES, REGIONS, OCCLUDED = 56_915_940, 2_500, 9, 0.5
WIDTH, HEIGHT = 640, 480
REFERENCE = "import json, sys\nwith open(sys.argv[1], 'rb') as file:\n    json.load(file)"


def write(path: Path) -> None:
    """Write a file of the real one's number of pictures and size; outlines get the points that this takes."""
    rng = random.Random(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [
        {"id": n, "file_name": f"COCO_train2014_{n:012d}.jpg", "width": WIDTH, "height": HEIGHT}
        for n in range(PICTURES)
    ]
    with path.open("w") as file:
        file.write(json.dumps({"images": images})[:-1] + ', "annotations": [')
        for n in range(PICTURES):
            left = max(0, SIZE - file.tell()) / (PICTURES - n) / REGIONS
            points = max(3, int((left - OCCLUDED * 750 - 150) / 39))
            file.write((", " if n else "") + json.dumps(_annotation(rng, n, points)))
        file.write("]}")


def _annotation(rng: random.Random, number: int, points: int) -> dict[str, Any]:
    regions = [_region(rng, order, points) for order in range(1, REGIONS + 1)]
    pairs = [f"{a}-{b}" for b in range(2, REGIONS + 1) for a in range(1, b) if rng.random() < 0.5]
    return {
        "author": "x",
        "url": f"https://s3/{number}.jpg",
        "regions": regions,
        "image_id": number,
        "id": number,
        "depth_constraint": ",".join(pairs),
        "size": REGIONS,
    }


def _region(rng: random.Random, order: int, points: int) -> dict[str, Any]:
    centre, reach = np.array([rng.uniform(150, 490), rng.uniform(140, 340)]), rng.uniform(30, 130)
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radii = reach * (1 + 0.1 * np.sin(5 * angles) + 0.02 * np.array([rng.random() for _ in range(points)]))
    outline = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    region: dict[str, Any] = {
        "segmentation": outline.ravel().tolist(),
        "name": f"thing {order} ",
        "isStuff": 0,
        "area": 1000,
        "order": order,
        "occlude_rate": 0,
    }
    if order > 1 and rng.random() < OCCLUDED * REGIONS / (REGIONS - 1):
        whole = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [outline.astype(np.int32)], 1)
        hidden = whole.copy()
        hidden[:, int(centre[0] + reach * rng.uniform(-0.5, 0.9)) :] = 0
        region["occlude_rate"] = float(hidden.sum() / whole.sum())
        region["visible_mask"], region["invisible_mask"] = _packed(whole - hidden), _packed(hidden)
    return region


def _packed(pixels: np.ndarray[Any, Any]) -> dict[str, Any]:
    mask = library.encode(np.asfortranarray(pixels))
    return {"counts": mask["counts"].decode(), "size": mask["size"]}


def main() -> None:
    """Write the file where it is not there, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("out/bench_amodal_reader"), help="where the file lies")
    options = parser.parse_args()
    path, out = options.folder / "COCO_amodal_train2014.json", options.folder / "samples.jsonl"
    if not path.is_file():
        write(path)
    path.read_bytes()
    command = [sys.executable, "-m", "egm_core.data", "convert", "coco-amodal", "--file", str(path)]
    ours = timed([*command, "--missing-share", "1", "--out", str(out), "-qq"])
    theirs = timed([sys.executable, "-c", REFERENCE, str(path)])
    with out.open("rb") as lines:
        samples = [json.loads(line) for line in lines]
    partly, explained = (sum(1 for one in samples if test(one)) for test in (_partly, lambda one: one.get("occluders")))
    print(
        f"{path.stat().st_size / 1e6:.1f} MB, {len(samples):,} samples, {partly:,} partly hidden, {explained:,} with "
        f"occluders; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':22}{'seconds':>9}{'processor':>11}{'memory, MB':>12}")
    for name, figures in (("egm data convert", ours), ("json alone", theirs)):
        print(f"{name:22}{figures[0]:9.1f}{figures[1]:11.1f}{figures[2]:12.0f}")


def _partly(record: dict[str, Any]) -> bool:
    return bool(record["visible_fraction"] < 1)


if __name__ == "__main__":
    main()
