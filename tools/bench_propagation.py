#!/usr/bin/env python3
"""Whether propagated boxes beat stale ones: IoU with the truth at the moment of publishing, and the time it takes.

    tools/env.sh python tools/bench_propagation.py --clips out/moving --json out/moving.json --picture out/moving.png

Renders 20 moving clips of each world from evaluation seeds (once; they are kept in --clips), begins with true boxes
and with the embedded model's, and publishes 0.3, 0.7 and 1.5 s later. A lost box counts as IoU 0. Intervals are 95 %
bootstraps over clips, differences are paired. OpenCV's MIL tracker, which needs no weights either, stands beside it.
With --slow it is 5 and 10 s later, when the answer of a slow engine comes and when its next one does, at 10 Hz, which
are the steps in which the node catches up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from egm_core.arguments import COUNT
from egm_core.boxes import Box, area, iou
from egm_core.evaluate.reports.intervals import written
from egm_core.evaluate.statistics import Comparison, mean, paired_difference
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info, resolve
from egm_core.propagation import SmallFrame, Track, begin, propagate, shrink
from egm_core.scenes import Generator
from egm_core.scenes.files.clips import instructions, write
from egm_core.scenes.truth import WORLDS, World

# The settings were chosen on the clips from 500,002,000 on, and so are measured on others.
FIRST_SEED = 500_003_000
SIZE = (640, 480)
# Slower than this, in its own widths a second, an object is still in the picture.
STILL = 0.02
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Course:
    """How long clips are (frames, at a rate in Hz), when answers begin (frames), and how late they are seen (s)."""

    rate: float
    frames: int
    starts: tuple[int, ...]
    latencies: tuple[float, ...]


USUAL = Course(20.0, 67, (12, 20, 28, 36), (0.3, 0.7, 1.5))
SLOW = Course(10.0, 111, (0, 5, 10), (5.0, 10.0))


@dataclass(frozen=True)
class Clip:
    """A clip's small frames, their files, the boxes of each (index -> visible, amodal), and what can be asked."""

    course: Course
    name: str
    world: str
    files: list[Path]
    frames: list[SmallFrame]
    truth: list[dict[int, tuple[Box, Box]]]
    asked: dict[str, int]


@dataclass(frozen=True)
class Row:
    """One box published `latency` seconds late: IoU with the truth then, visible and amodal, stale and propagated.

    `speed` is in the object's own widths a second, `width` in pixels of 640, `shown` the part of the visible box's
    size (against the amodal one's) that is left, compared with the beginning.
    """

    clip: str
    world: str
    index: int
    start: int
    latency: float
    stale: tuple[float, float]
    propagated: tuple[float, float]
    lost: str
    speed: float
    width: float
    shown: float
    boxes: tuple[Box, Box, Box]


def render(folder: Path, count: int, course: Course, first: int) -> None:
    """Render the clips that are not there yet."""
    generator = None
    for world in WORLDS:
        for seed in range(first, first + count):
            if not (folder / f"{world}_{seed}" / "clip.json").is_file():
                generator = generator or Generator(max_size=SIZE)
                write_clip(generator, folder / f"{world}_{seed}", world, seed, course)
    if generator is not None:
        generator.close()


def write_clip(generator: Generator, folder: Path, world: World, seed: int, course: Course) -> None:
    """Render one clip and keep it."""
    scenes = [
        replace(scene, depth=None) for scene in generator.clip(seed, course.frames, course.rate, world=world, size=SIZE)
    ]
    write(folder, scenes, course.rate, instructions(scenes, 5), quality=95)


def clips(folder: Path, count: int, course: Course, first: int = FIRST_SEED) -> Iterator[Clip]:
    """Read the clips."""
    for world in WORLDS:
        for seed in range(first, first + count):
            path = folder / f"{world}_{seed}"
            kept = json.loads((path / "clip.json").read_text())
            files = [path / frame["file"] for frame in kept["frames"]]
            frames = [shrink(read(file), round(number * 1e9 / course.rate)) for number, file in enumerate(files)]
            truth = [
                {entry["index"]: (tuple(entry["visible"]), tuple(entry["amodal"])) for entry in frame["objects"]}
                for frame in kept["frames"]
            ]
            asked = {entry["text"]: entry["target"] for entry in kept["instructions"] if entry["target"] is not None}
            yield Clip(course, path.name, world, files, frames, truth, asked)


def read(path: Path) -> Any:
    """Read a picture as RGB."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def follow(clip: Clip, start: int, index: int, pair: tuple[Box, Box | None]) -> Iterator[Row]:
    """Carry an answer for frame `start`, and compare with the truth of `index` at each latency."""
    before = clip.truth[start][index]
    course = clip.course
    track, done = begin(clip.frames[start], pair[0], pair[1], 1.0), start
    for latency in course.latencies:
        end = start + round(latency * course.rate)
        track, done = propagate(track, clip.frames[done + 1 : end + 1]), end
        now = clip.truth[end].get(index, (NOWHERE, NOWHERE))
        if area(now[0]) > 0:
            yield compared(clip, start, index, latency, pair, track, before, now)


def compared(
    clip: Clip, start: int, index: int, latency: float, pair: tuple[Box, Box | None], track: Track,
    before: tuple[Box, Box], now: tuple[Box, Box],
) -> Row:  # fmt: skip
    """Make the row of one box at one moment."""
    carried = (NOWHERE, NOWHERE) if track.lost else (track.visible, track.amodal or NOWHERE)
    moved = np.hypot(*(middle(now[1]) - middle(before[1]))) / latency
    width = before[1][2] - before[1][0]
    left = (area(now[0]) / max(area(now[1]), 1.0)) / (area(before[0]) / max(area(before[1]), 1.0))
    return Row(
        clip.name, clip.world, index, start, latency,
        (iou(pair[0], now[0]), iou(pair[1] or NOWHERE, now[1])),
        (iou(carried[0], now[0]), iou(carried[1], now[1])),
        track.lost, float(moved / width), float(before[0][2] - before[0][0]), float(left),
        (now[0], pair[0], carried[0]),
    )  # fmt: skip


def middle(box: Box) -> Any:
    """Give a box's middle."""
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])


def from_truth(clip: Clip) -> Iterator[Row]:
    """Begin with every object's true boxes."""
    for start in clip.course.starts:
        for index, pair in clip.truth[start].items():
            if area(pair[0]) > 0:
                yield from follow(clip, start, index, pair)


def from_model(clip: Clip, grounder: Grounder) -> Iterator[Row]:
    """Begin with what a model answers; frames in which it finds nothing are left out, for nothing is published."""
    for start in clip.course.starts[::2]:
        image = read(clip.files[start])
        for text, index in clip.asked.items():
            answer = grounder.ground(image, text)
            if area(clip.truth[start][index][0]) > 0 and answer.outcome == "found" and answer.visible is not None:
                yield from follow(clip, start, index, (answer.visible, answer.amodal))


def mil(clip: Clip) -> dict[tuple[int, int, float], float]:
    """Track one object of a clip with OpenCV's MIL; IoU of the visible box by (start, index, latency)."""
    start = clip.course.starts[1]
    seen = [index for index, pair in clip.truth[start].items() if area(pair[0]) > 0]
    if not seen:
        return {}
    index = seen[len(seen) // 2]
    small = clip.frames[start]
    x0, y0, x1, y1 = (round(edge) for edge in small.inwards(clip.truth[start][index][0]))
    tracker = cv2.TrackerMIL.create()
    tracker.init(cv2.cvtColor(small.grey, cv2.COLOR_GRAY2BGR), (x0, y0, max(2, x1 - x0), max(2, y1 - y0)))
    found = {}
    for number in range(start + 1, start + round(USUAL.latencies[-1] * USUAL.rate) + 1):
        frame = clip.frames[number]
        good, (x, y, width, height) = tracker.update(cv2.cvtColor(frame.grey, cv2.COLOR_GRAY2BGR))
        box = frame.outwards((x, y, x + width, y + height)) if good else NOWHERE
        for latency in USUAL.latencies:
            if number == start + round(latency * USUAL.rate):
                found[start, index, latency] = iou(box, clip.truth[number][index][0])
    return found


def summary(rows: Sequence[Row], title: str) -> list[dict[str, Any]]:
    """Print a table of stale against propagated; return its figures."""
    print(
        f"\n{title}\n{'world':10}{'late s':>7}{'n':>6}{'lost':>6}"
        "   box      stale   propagated (95 %)            difference (95 %)"
    )
    figures = []
    for world in (*WORLDS, "both"):
        for latency in sorted({row.latency for row in rows}):
            some = [row for row in rows if row.latency == latency and world in (row.world, "both")]
            for box, name in enumerate(("visible", "amodal")):
                if not some:
                    continue
                names = [f"{row.clip}" for row in some]
                clusters = [sorted(set(names)).index(entry) for entry in names]
                stale, carried = ([getattr(row, kind)[box] for row in some] for kind in ("stale", "propagated"))
                difference = paired_difference(stale, carried, clusters)
                lost = sum(bool(row.lost) for row in some)
                means = (mean(stale, clusters), mean(carried, clusters))
                print(
                    f"{world:10}{latency:>7}{len(some):>6}{lost:>6}   {name:8}{means[0].value:>6.3f}"
                    f"{means[1].value:>8.3f} ({written(means[1], '.3f')})   {told(difference)}"
                )
                figures.append(
                    {"world": world, "latency": latency, "box": name, "lost": lost, "stale": asdict(means[0]),
                     "propagated": asdict(means[1]), "difference": asdict(difference)}
                )  # fmt: skip
    return figures


def told(difference: Comparison) -> str:
    """Write a difference with its interval."""
    return f"{difference.difference:+.3f} ({written(difference, '+.3f')})"


def milliseconds(every: Sequence[Clip]) -> dict[str, float]:
    """Time the parts of a 720p frame by this process's CPU time, in milliseconds (means)."""
    from egm_core.propagation.small_frames import small_frame

    spent: dict[str, list[float]] = {}

    def timed(name: str, call: Any) -> Any:
        began = time.process_time()
        result = call()
        spent.setdefault(name, []).append(1000 * (time.process_time() - began))
        return result

    for clip in every:
        pictures = [cv2.resize(read(file), (1280, 720), interpolation=cv2.INTER_CUBIC) for file in clip.files[20:32]]
        stamps = [SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=number * 50_000_000)) for number in range(12)]
        small = [
            timed("grey and resize", lambda picture=picture, number=number: shrink(picture, number * 50_000_000))
            for number, picture in enumerate(pictures)
        ]
        for picture, header in zip(pictures, stamps, strict=True):
            raw = SimpleNamespace(
                header=header, encoding="rgb8", width=1280, height=720, step=3840, is_bigendian=0,
                data=picture.tobytes(),
            )  # fmt: skip
            data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            jpeg = SimpleNamespace(header=header, format="rgb8; jpeg compressed bgr8", data=data)
            timed("raw message to small frame", lambda raw=raw: small_frame(raw, 480))
            timed("JPEG message to small frame", lambda jpeg=jpeg: small_frame(jpeg, 480))
        for visible, amodal in clip.truth[20].values():
            if area(visible) <= 0:
                continue
            wide, tall = 1280 / SIZE[0], 720 / SIZE[1]
            pair = [tuple(np.array(box) * [wide, tall, wide, tall]) for box in (visible, amodal)]
            track = timed("begin", lambda pair=pair, first=small[0]: begin(first, *pair, 1.0))
            for frame in small[1:]:
                track = timed("step", lambda track=track, frame=frame: propagate(track, [frame]))
    means = {name: float(np.mean(values)) for name, values in spent.items()}
    means["step, 99th percentile"] = float(np.percentile(spent["step"], 99))
    means["frame: grey, resize and step"] = means["grey and resize"] + means["step"]
    return means


def main() -> None:
    """Render, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder that keeps the rendered clips")
    parser.add_argument("--count", type=COUNT, default=20, help="clips of each world")
    parser.add_argument(
        "--first", type=COUNT, default=FIRST_SEED, help="seed of the first clip of each world (default: %(default)s)"
    )
    parser.add_argument("--model", default="egm_tiny", help="model that answers; empty: true boxes only")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--picture", type=Path, help="file for a picture of the worst cases")
    parser.add_argument("--quick", action="store_true", help="true boxes only: no tracker, no model, no CPU time")
    parser.add_argument("--slow", action="store_true", help="measure 5 and 10 s later; needs a folder of its own")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    course = SLOW if options.slow else USUAL
    render(options.clips, options.count, course, options.first)
    every = list(clips(options.clips, options.count, course, options.first))
    rows = [row for clip in every for row in from_truth(clip)]
    result: dict[str, Any] = {"true boxes": summary(rows, "From true boxes")}
    if options.slow:
        result["still"] = summary([row for row in rows if row.speed < STILL], "Objects that are still in the picture")
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        return
    moving = [row for row in rows if 0.35 <= row.speed <= 0.75]
    groups = {
        "Objects that move by 0.35 to 0.75 of their width a second": moving,
        "Of these, as hidden as at the beginning (within 10 %)": [row for row in moving if abs(row.shown - 1) < 0.1],
        "Objects that lose over 30 % of what could be seen of them": [row for row in rows if row.shown < 0.7],
        "Objects under 36 pixels of 640 in width": [row for row in rows if row.width < 36],
        "Objects that are still in the picture": [row for row in rows if row.speed < STILL],
    }
    for title, some in groups.items():
        result[title] = summary(some, title)
    if options.quick:
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        return
    compare_mil(every, rows, result)
    if options.model:
        from egm_core.engines.local import TransformersEngine

        folder = resolve(options.model, offline=True)
        info = load_info(folder)
        with TransformersEngine(folder, max_pixels=info.max_pixels) as engine:
            engine.wait_ready()
            grounder = Grounder(engine, info, reasoning=True)
            found = [row for clip in every for row in from_model(clip, grounder)]
            grounder.close()
        result["model"] = summary(found, f"From the answers of {options.model}")
    result["milliseconds"] = milliseconds(every[:: max(1, len(every) // 8)])
    parts = ", ".join(f"{name} {value:.2f}" for name, value in result["milliseconds"].items())
    print(f"\nCPU milliseconds at 720p: {parts}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.picture:
        from propagation_failures import failures

        failures(every, rows, options.picture)


def compare_mil(every: Sequence[Clip], rows: Sequence[Row], result: dict[str, Any]) -> None:
    """Compare with MIL on the same boxes, one object of each clip."""
    began = time.process_time()
    tracked = {(clip.name, *key): value for clip in every for key, value in mil(clip).items()}
    spent = time.process_time() - began
    own = {(row.clip, row.start, row.index, row.latency): row for row in rows}
    print("\nOpenCV's MIL against propagated, visible boxes of one object a clip")
    for latency in USUAL.latencies:
        keys = [key for key in tracked if key in own and key[3] == latency]
        names = sorted({key[0] for key in keys})
        clusters = [names.index(key[0]) for key in keys]
        theirs, ours = [tracked[key] for key in keys], [own[key].propagated[0] for key in keys]
        stale = float(np.mean([own[key].stale[0] for key in keys]))
        difference = paired_difference(theirs, ours, clusters)
        print(
            f"{latency:>5} s, n {len(keys)}: stale {stale:.3f}, MIL {np.mean(theirs):.3f},"
            f" propagated {np.mean(ours):.3f}, difference {told(difference)}"
        )
        means = {"stale": stale, "mil": float(np.mean(theirs)), "propagated": float(np.mean(ours))}
        result[f"MIL at {latency}"] = means | {"difference": asdict(difference)}
    updates = round(USUAL.latencies[-1] * USUAL.rate) * len(every)
    result["MIL ms"] = 1000 * spent / updates
    print(f"MIL takes {result['MIL ms']:.1f} ms of CPU a frame")


if __name__ == "__main__":
    main()
