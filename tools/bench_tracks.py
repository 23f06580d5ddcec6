#!/usr/bin/env python3
"""What five propagated objects cost against one: this process's CPU time for 720p images, in the same run.

    tools/env.sh python tools/bench_propagation.py --clips out/moving --count 8 --model ''
    tools/env.sh python tools/bench_tracks.py --clips out/moving --count 8

Takes clips that bench_propagation.py has rendered and in which as many objects can be seen, enlarged to 1280x720. It
does what the node does for an image: the bytes that DDS hands over become a raw message, that a small frame, all boxes
are carried over it, and both arrays become bytes again. Beside that stands the core's part alone, from the message's
pixels to boxes. One object is each of them in turn, so that both sides carry the same boxes. Rounds take turns; ratios
are of sums. Other work on the machine's cores does not count, but slows memory for both: the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_propagation import SIZE, USUAL, clips, read
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from egm_core.arguments import COUNT
from egm_core.boxes import Box, area, as_box
from egm_core.propagation import Track, advance, begin
from egm_core.propagation.small_frames import small_frame
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images

WIDTH, HEIGHT = 1280, 720
START, STEPS = 20, 20
GOAL = 2.5


def messages(files: Sequence[Path]) -> list[bytes]:
    """Make raw messages of pictures, enlarged, as DDS hands them over."""
    found = []
    for number, file in enumerate(files):
        picture = cv2.resize(read(file), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        stamp = Time(sec=0, nanosec=round(number * 1e9 / USUAL.rate))
        found.append(serialize_message(images.encode(picture, Header(stamp=stamp, frame_id="camera"))))
    return found


def spent(raw: Sequence[bytes], pairs: Sequence[tuple[Box, Box]]) -> tuple[float, float]:
    """Give the CPU time of carrying boxes over images, of all and of the core's part, in milliseconds an image."""
    first = small_frame(deserialize_message(raw[0], Image), 480)
    tracks: list[Track] = [begin(first, *pair, 1.0) for pair in pairs]
    core, began = 0.0, time.process_time()
    for data in raw[1:]:
        message = deserialize_message(data, Image)
        here = time.process_time()
        tracks = advance(tracks, small_frame(message, 480))
        core += time.process_time() - here
        for kind in ("visible", "amodal"):
            array = Detection2DArray(header=message.header)
            for number, track in enumerate(tracks):
                box = getattr(track, kind)
                array.detections.append(detection(message.header, f"1:t{number}", box, "the cup", track.score))
            serialize_message(array)
    return 1000 * (time.process_time() - began) / (len(raw) - 1), 1000 * core / (len(raw) - 1)


def chosen(truth: dict[int, tuple[Box, Box]], count: int) -> list[tuple[Box, Box]]:
    """Give the largest visible objects of a picture, enlarged."""
    grow = np.tile(np.array([WIDTH, HEIGHT]) / SIZE, 2)
    pairs = sorted((pair for pair in truth.values() if area(pair[0]) > 0), key=lambda pair: -area(pair[0]))
    return [(as_box(np.array(visible) * grow), as_box(np.array(amodal) * grow)) for visible, amodal in pairs[:count]]


def main() -> None:
    """Measure in rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder that keeps rendered clips")
    parser.add_argument("--count", type=COUNT, default=20, help="clips of each world (default: 20)")
    parser.add_argument("--objects", type=COUNT, default=5, help="objects that are carried together (default: 5)")
    parser.add_argument("--rounds", type=COUNT, default=3, help="times that each clip is measured (default: 3)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    one: list[list[tuple[float, float]]] = [[] for _ in range(options.rounds)]
    many: list[list[tuple[float, float]]] = [[] for _ in range(options.rounds)]
    used = 0
    for clip in clips(options.clips, options.count, USUAL):
        pairs = chosen(clip.truth[START], options.objects)
        if len(pairs) < options.objects:
            continue
        used += 1
        raw = messages(clip.files[START : START + STEPS + 1])
        for number in range(options.rounds):
            one[number] += [spent(raw, [pair]) for pair in pairs]
            many[number].append(spent(raw, pairs))
    if not used:
        raise SystemExit(f"no clip in {options.clips} shows {options.objects} objects; render more by --count")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{used} clips, {options.objects} objects, CPU ms an image; load {load}")
    result: dict[str, Any] = {"clips": used, "objects": options.objects, "load": list(os.getloadavg())}
    for part, name in enumerate(("the node's work", "the core's part")):
        single, more = (np.array(rounds)[..., part].mean(1) for rounds in (one, many))
        ratios = [float(ratio) for ratio in more / single]
        mean = {"one": float(single.mean()), "all": float(more.mean()), "ratio": float(more.mean() / single.mean())}
        goal = f"; goal: {GOAL}" if part == 0 else ""
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name}: one {mean['one']:.2f}, all {mean['all']:.2f}, ratio {mean['ratio']:.2f} (rounds: {told}{goal})")
        result[name] = mean | {"rounds": ratios}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
