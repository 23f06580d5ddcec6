#!/usr/bin/env python3
"""How right lifted boxes are: range of the visible surface and 3D centre, from true boxes, on evaluation scenes.

    tools/env.sh python tools/bench_lifting.py --json out/lifting.json --picture out/lifting.jpg

Renders each seed in both worlds. The truth of a range is the median depth of the object's own pixels, by MuJoCo's
segmentation; that of a centre is the middle of the box around the object's solids in its own frame, by the pose that
MuJoCo draws it in. A centre is good within 10 % of the object's size plus 2 % of its range; size is the longest edge of
that box (and, more strictly, the edge of a cube of its volume). Amodal boxes are cut at the picture's edge, as models
give them. The second half of the tables is from boxes whose edges are off by 5 % of their sides (standard deviation),
and depth with 1 % of noise and a tenth of its pixels missing. Beside each stands the same from depth as the lifting
node keeps it for a late answer, at 16 bit and, with --part, with fewer pixels (0.16 of 1080p at 30 Hz), and the paired
difference with its 95 % bootstrap interval over scenes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egm_core.arguments import COUNT, SEED, number
from egm_core.boxes import Box, as_box
from egm_core.evaluate.reports.intervals import written
from egm_core.evaluate.statistics import paired_difference
from egm_core.lifting import Box3D, Camera, Lifted, corners, lift, small_depth, surface
from egm_core.pictures.draw import AMODAL, VISIBLE
from egm_core.scenes import Generator, Scene
from egm_core.scenes.truth import WORLDS, ObjectTruth

FIRST_SEED = 500_000_000
HIDDEN = {"under half seen": (0.0, 0.5), "half to 9/10": (0.5, 0.9), "9/10 and more": (0.9, 1.01)}
SHOWN = (FIRST_SEED + 2, FIRST_SEED + 11)
SHIFT, NOISE, HOLES = 0.05, 0.01, 0.1
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1]


@dataclass(frozen=True)
class Row:
    """One object: errors of its range by estimator, of its centre in parts of what is allowed, and along the ray.

    `strict` goes by the cube's edge. `deep` is the error along z in parts of the depth that was guessed. `kept` are the
    errors of range and centre from depth as it waits for a late answer.
    """

    seed: int
    world: str
    category: str
    seen: float
    ranges: dict[str, float]
    center: float
    strict: float
    deep: float
    reason: str
    kept: tuple[float, float]


def inside(depth: Any, box: Box, part: float = 1.0) -> Any:
    """Give the logarithms of depths in a box, or in its middle, in order."""
    x, y, wide, high = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    left, right = round(max(x - part * wide / 2, 0)), round(x + part * wide / 2)
    top, bottom = round(max(y - part * high / 2, 0)), round(y + part * high / 2)
    found = depth[top : max(bottom, top + 1), left : max(right, left + 1)]
    found = found[np.isfinite(found) & (found > 0)]
    return np.sort(np.log(found)) if found.size else np.array([np.nan])


def middle(depth: Any, box: Box) -> float:
    """Take the median of the whole box."""
    return float(np.exp(np.median(inside(depth, box))))


def central(depth: Any, box: Box) -> float:
    """Take the median of the box's middle."""
    return float(np.exp(np.median(inside(depth, box, 0.5))))


def mode(depth: Any, box: Box, width: float = 0.06) -> float:
    """Take the depths that most pixels have, within 6 %."""
    values = inside(depth, box)
    count = np.searchsorted(values, values + width) - np.arange(values.size)
    at = int(count.argmax())
    return float(np.exp(np.median(values[at : at + max(1, count[at])])))


def nearest(depth: Any, box: Box, gap: float = 0.05, share: float = 0.15) -> float:
    """Take the nearest pixels that no gap of 5 % parts, if they are 15 % of the box."""
    values = inside(depth, box)
    groups = np.split(values, np.flatnonzero(np.diff(values) > gap) + 1)
    return float(np.exp(np.median(next((group for group in groups if group.size >= share * values.size), values))))


def own(depth: Any, box: Box) -> float:
    """Take what the lifting does: the object's own surface."""
    found = surface(depth, box)
    return found.middle if found is not None else float("nan")


ESTIMATORS: dict[str, Callable[[Any, Box], float]] = {
    "own surface": own, "median": middle, "median of the middle": central, "mode": mode, "nearest cluster": nearest,
}  # fmt: skip


def camera_of(scene: Scene) -> Camera:
    """Give a scene's camera."""
    camera = scene.camera
    return Camera(scene.width, scene.height, camera.fx, camera.fy, camera.cx, camera.cy)


def center_of(scene: Scene, entry: ObjectTruth) -> Any:
    """Give an object's true centre in the camera's frame."""
    return scene.camera.rotation @ (entry.position - scene.camera.position)


def measure(scene: Scene, entry: ObjectTruth, boxes: tuple[Box, Box], depth: Any, part: float) -> Row:
    """Compare one object with the truth."""
    truth = center_of(scene, entry)
    lifted = lift(*boxes, depth, camera_of(scene))
    strict = deep = float("nan")
    if lifted.amodal is not None:
        off = np.array(lifted.amodal.center) - truth
        allowed = 0.02 * float(truth[2])
        strict = float(np.linalg.norm(off)) / (0.1 * float(np.prod(entry.extent)) ** (1 / 3) + allowed)
        deep = float(off[2]) / lifted.amodal.size[2]
    ranges = {name: abs(estimate(depth, boxes[0]) / entry.depth - 1) for name, estimate in ESTIMATORS.items()}
    small = small_depth(None, depth, 2 * part * depth.size)
    late = lift(*boxes, small.metres(), camera_of(scene), density=small.density)
    kept = (abs(late.range / entry.depth - 1), off_center(scene, entry, late))
    return Row(
        scene.seed, scene.world, entry.category, entry.visible_fraction, ranges, off_center(scene, entry, lifted),
        strict, deep, lifted.reason, kept,
    )  # fmt: skip


def off_center(scene: Scene, entry: ObjectTruth, lifted: Lifted) -> float:
    """Give the error of an amodal centre in parts of what is allowed; NaN where there is none."""
    if lifted.amodal is None:
        return float("nan")
    truth = center_of(scene, entry)
    allowed = 0.1 * float(entry.extent.max()) + 0.02 * float(truth[2])
    return float(np.linalg.norm(np.array(lifted.amodal.center) - truth)) / allowed


def rows_of(scene: Scene, rough: bool, part: float) -> list[Row]:
    """Measure a scene's objects, from the truth or from what a model and a sensor might give."""
    depth, rng = scene.depth, np.random.default_rng(scene.seed)
    if depth is not None and rough:
        depth = (depth * rng.normal(1, NOISE, depth.shape)).astype(np.float32)
        depth[rng.random(depth.shape) < HOLES] = np.nan
    found = []
    for entry in scene.objects:
        boxes = (entry.visible, entry.amodal)
        if rough:
            boxes = tuple(as_box(np.array(box) + rng.normal(0, SHIFT, 4) * sides(box)) for box in boxes)
        found.append(measure(scene, entry, boxes, depth, part))
    return found


def sides(box: Box) -> Any:
    """Give a box's width and height for each of its edges."""
    return np.array([box[2] - box[0], box[3] - box[1]] * 2)


def summary(rows: Sequence[Row], title: str) -> list[dict[str, Any]]:
    """Print the tables; return their figures."""
    figures = []
    print(f"\n{title}\nerror of the range, %: median (90th percentile)")
    print(f"{'':28}{'n':>5}" + "".join(f"{name:>22}" for name in ESTIMATORS))
    for world in (*WORLDS, "both"):
        for kind, (low, high) in {"all": (0.0, 2.0), **HIDDEN}.items():
            some = [row for row in rows if world in (row.world, "both") and low <= row.seen < high]
            if not some:
                continue
            errors = {name: [row.ranges[name] for row in some] for name in ESTIMATORS}
            told = {name: tuple(100 * np.nanpercentile(values, (50, 90))) for name, values in errors.items()}
            print(f"{world:10}{kind:18}{len(some):>5}" + "".join(f"{a:>14.2f} ({b:4.1f})" for a, b in told.values()))
            center, strict = ([getattr(row, name) for row in some] for name in ("center", "strict"))
            figures.append(
                {"world": world, "seen": kind, "n": len(some), "range %": told, "center": np.nanmedian(center),
                 "center good": float(np.mean(np.array(center) <= 1)), "strict": np.nanmedian(strict),
                 "strict good": float(np.mean(np.array(strict) <= 1)), "none": sum(bool(row.reason) for row in some),
                 "deep 68 %": np.nanpercentile(np.abs([row.deep for row in some]), 68)}
            )  # fmt: skip
    print("\nerror of the 3D centre in parts of what is allowed: median, share within it; the same for the strict size")
    for entry in figures:
        print(
            f"{entry['world']:10}{entry['seen']:18}{entry['n']:>5}{entry['center']:>8.2f}{entry['center good']:>7.1%}"
            f"{entry['strict']:>8.2f}{entry['strict good']:>7.1%}   along the ray, of the guessed depth, 68 %:"
            f" {entry['deep 68 %']:.2f}   not lifted: {entry['none']}"
        )
    kinds = sorted({(row.world, row.category) for row in rows})
    by_kind = [(kind, [row.center for row in rows if (row.world, row.category) == kind]) for kind in kinds]
    print(", ".join(f"{name} {np.nanmedian(values):.2f}" for (_, name), values in by_kind))
    return figures


def waited(rows: Sequence[Row]) -> dict[str, Any]:
    """Print what the waiting costs: medians as it came and as it waits, and the paired difference of what is good."""
    figures = {}
    print("\ndepth as it waits: range, %, median (90th), before and after; good centres likewise, and the difference")
    for world in (*WORLDS, "both"):
        some = [row for row in rows if world in (row.world, "both")]
        before, after = (
            [100 * error for error in errors]
            for errors in zip(*((row.ranges["own surface"], row.kept[0]) for row in some), strict=True)
        )
        good = [
            [float(value <= 1) for value in values]
            for values in zip(*((row.center, row.kept[1]) for row in some), strict=True)
        ]
        close = [[float(value <= 2) for value in values] for values in (before, after)]
        scenes = [2 * row.seed + WORLDS.index(row.world) for row in some]
        told = [np.nanpercentile(values, (50, 90)).tolist() for values in (before, after)]
        difference, ranges = paired_difference(*good, scenes), paired_difference(*close, scenes)
        figures[world] = {
            "n": len(some),
            "range %": told,
            "center good": [float(np.mean(values)) for values in good],
            "difference": [difference.difference, difference.low, difference.high],
            "range within 2 %": [ranges.difference, ranges.low, ranges.high],
        }
        print(
            f"{world:10}{len(some):>5}" + "".join(f"{a:>10.2f} ({b:4.1f})" for a, b in told)
            + "".join(f"{np.mean(values):>8.1%}" for values in good)
            + f"   {difference.difference:+.2%} ({written(difference, '+.2%')})"
            f"   range within 2 %: {ranges.difference:+.2%} ({written(ranges, '+.2%')})"
        )  # fmt: skip
    return figures


def milliseconds(scene: Scene) -> float:
    """Time one lift at 1280x720 by this process's CPU time, the mean over a scene's objects."""
    wide, high = 1280, 720
    depth = cv2.resize(scene.depth, (wide, high), interpolation=cv2.INTER_NEAREST)
    scale = np.array([wide / scene.width, high / scene.height] * 2)
    camera = Camera(wide, high, 900.0, 900.0, wide / 2, high / 2)
    began = time.process_time()
    for entry in scene.objects:
        lift(as_box(entry.visible * scale), as_box(entry.amodal * scale), depth, camera)
    return 1000 * (time.process_time() - began) / len(scene.objects)


def wireframe(image: Any, camera: Camera, box: Box3D, color: tuple[int, int, int]) -> None:
    """Draw a 3D box's edges into a picture."""
    places = corners(box)
    if places[:, 2].min() <= 0.01:
        return
    pixels = places[:, :2] / places[:, 2:] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
    for a, b in EDGES:
        cv2.line(image, *(tuple(round(value) for value in pixels[end]) for end in (a, b)), color, 1, cv2.LINE_AA)


def picture(generator: Generator, path: Path) -> None:
    """Draw scenes with their boxes, and each range in metres beside the true one."""
    tiles = []
    for seed in SHOWN:
        for world in WORLDS:
            scene = generator.scene(seed, world, (640, 480))
            camera = camera_of(scene)
            image = scene.image.copy()
            found: list[tuple[ObjectTruth, Lifted]] = [
                (entry, lift(entry.visible, entry.amodal, scene.depth, camera)) for entry in scene.objects
            ]
            for entry, lifted in found:
                for box, color in ((lifted.amodal, AMODAL), (lifted.visible, VISIBLE)):
                    if box is not None:
                        wireframe(image, camera, box, color)
                at = (round(entry.visible[0]) + 2, round(entry.visible[1]) + 12)
                words = f"{lifted.range:.2f} ({entry.depth:.2f})"
                for ink, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                    cv2.putText(image, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, thick, cv2.LINE_AA)
            tiles.append(image)
    sheet = np.vstack([np.hstack(tiles[start : start + 2]) for start in range(0, len(tiles), 2)])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])


def main() -> None:
    """Render, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=SEED, default=FIRST_SEED)
    parser.add_argument("--scenes", type=COUNT, default=120, help="seeds; each is rendered in both worlds")
    parser.add_argument("--size", help="size of all scenes, such as 1920x1080; without it each has its own")
    parser.add_argument("--part", type=number(above=0, high=1), default=1.0, help="part of depth's pixels that waits")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--picture", type=Path, help="file for a picture of some scenes")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    size = tuple(int(word) for word in options.size.split("x")) if options.size else None
    generator = Generator(max_size=size or (640, 480))
    true: list[Row] = []
    rough: list[Row] = []
    spent = []
    for seed in range(options.first_seed, options.first_seed + options.scenes):
        for world in WORLDS:
            scene = generator.scene(seed, world, size)
            true += rows_of(scene, False, options.part)
            rough += rows_of(scene, True, options.part)
            spent.append(milliseconds(scene))
    result: dict[str, Any] = {
        "true": summary(true, f"From true boxes and depth, {2 * options.scenes} scenes"),
        "rough": summary(rough, "From boxes that are off by 5 %, depth with 1 % of noise and a tenth missing"),
        "true, late": waited(true),
        "rough, late": waited(rough),
        "ms": float(np.mean(spent)),
    }
    print(f"\nCPU of one lift at 1280x720: {result['ms']:.2f} ms")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, default=float) + "\n")
    if options.picture:
        picture(generator, options.picture)
    generator.close()


if __name__ == "__main__":
    main()
