"""Draws docs/demo.gif: one object while another passes in front of it, with stale boxes and propagated ones.

    tools/env.sh python tools/demo_gif.py [--seed SEED --world WORLD --instruction TEXT]
    tools/env.sh python tools/demo_gif.py --search 500004000 40

The answers are the embedded model's, each LATENCY old when it comes. `--search` looks through clips for a large object
that is hidden by half in between, and prints how well the boxes do there, the best first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from egm_core.boxes import Box, iou
from egm_core.engines.local import TransformersEngine
from egm_core.grounder import Grounder
from egm_core.models.folder import load_info, resolve
from egm_core.pictures.draw import AMODAL, NOW_AMODAL, NOW_VISIBLE, draw
from egm_core.propagation import Track, begin, propagate, shrink
from egm_core.scenes import Generator
from egm_core.scenes.files.clips import instructions
from egm_core.scenes.truth import WORLDS, Scene, World

OUT = Path(__file__).resolve().parent.parent / "docs" / "demo.gif"
CHOSEN: tuple[World, int, str] = ("tabletop", 500_004_000, "the red mug")
SIZE, RATE, FRAMES = (640, 480), 10.0, 50
# Frames that an answer takes: 0.8 s.
LATENCY = 8
STALE = ((235, 70, 60), AMODAL)
SHOWN = (480, 360)
# Of 224 pixels, what the smaller side of an object needs to be seen well.
LEAST_SIDE = 36 / 224


@dataclass(frozen=True)
class Moment:
    """One frame: the boxes of the newest answer, and the same boxes propagated to the frame."""

    scene: Scene
    stale: tuple[Box, Box | None] | None
    now: tuple[Box, Box | None] | None


def play(scenes: Sequence[Scene], grounder: Grounder, instruction: str) -> Iterator[Moment]:
    """Ask for every LATENCY-th frame, and show what is known at each frame."""
    small = [shrink(scene.image, round(number * 1e9 / RATE)) for number, scene in enumerate(scenes)]
    track: Track | None = None
    stale: tuple[Box, Box | None] | None = None
    asked = 0
    for number, scene in enumerate(scenes):
        if number >= asked + LATENCY:
            answer = grounder.ground(scenes[asked].image, instruction)
            if answer.visible is not None:
                stale = (answer.visible, answer.amodal)
                track = propagate(begin(small[asked], *stale, 1.0), small[asked + 1 : number])
            asked = number
        if track is not None:
            track = propagate(track, [small[number]])
        yield Moment(scene, stale, None if track is None or track.lost else (track.visible, track.amodal))


def picture(moment: Moment, instruction: str) -> NDArray[np.uint8]:
    """Draw one frame with both kinds of boxes, and say below which is which."""
    image: NDArray[np.uint8] = moment.scene.image
    if moment.stale is not None:
        image = draw(image, moment.stale[0], None, colors=STALE)
    if moment.now is not None:
        image = draw(image, *moment.now, colors=(NOW_VISIBLE, NOW_AMODAL))
    image = np.asarray(cv2.resize(image, SHOWN, interpolation=cv2.INTER_AREA), np.uint8)
    strip = np.full((54, SHOWN[0], 3), 250, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, f'"{instruction}"', (8, 21), font, 0.55, (30, 30, 30), 1, cv2.LINE_AA)
    at = 8
    for words, color in (("answer, stale", STALE[0]), ("visible now", NOW_VISIBLE), ("amodal now", NOW_AMODAL)):
        cv2.line(strip, (at, 40), (at + 18, 40), color, 3)
        cv2.putText(strip, words, (at + 24, 45), font, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
        at += 160
    return np.vstack([image, strip])


def write(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Write a GIF with one palette for all frames, so that unchanged pixels cost nothing."""
    sheet = Image.fromarray(np.vstack(pictures[:: max(1, len(pictures) // 8)]))
    palette = sheet.quantize(96, method=Image.Quantize.MEDIANCUT)
    frames = [Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE) for image in pictures]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=round(1000 / RATE), loop=0, optimize=False)


def worth(scenes: Sequence[Scene], index: int, moments: Sequence[Moment]) -> tuple[float, str]:
    """Rate a clip: how much better the propagated boxes are while the object is hidden by half or more."""
    truth = [scene.objects[index] for scene in scenes]
    first = truth[: round(RATE)]
    side = min(min(t.amodal[2] - t.amodal[0], t.amodal[3] - t.amodal[1]) for t in first)
    shown = [t.visible_fraction for t in truth]
    pairs = [(m, t) for m, t in zip(moments, truth, strict=True) if m.stale and m.now and t.visible_fraction > 0]
    if side < LEAST_SIDE * SIZE[1] or min(s for s in shown[: round(RATE)]) < 0.75 or len(pairs) < FRAMES // 2:
        return 0.0, ""
    hidden = [s for s in shown if s < 0.6]
    stale = [iou(m.stale[0], t.visible) for m, t in pairs if m.stale]
    now = [iou(m.now[0], t.visible) for m, t in pairs if m.now]
    whole = [iou(m.now[1], t.amodal) for m, t in pairs if m.now and m.now[1]]
    means = f"stale {np.mean(stale):.2f}, now {np.mean(now):.2f}, amodal {np.mean(whole or [0]):.2f}"
    told = f"hidden in {len(hidden)} frames: {means}"
    good = len(hidden) >= 5 and float(np.mean(whole or [0])) > 0.7
    return (float(np.mean(now) - np.mean(stale)) + float(np.min(now)) if good else 0.0), told


def search(grounder: Grounder, first: int, count: int) -> None:
    """Print the clips that show most, the best first."""
    found = []
    generator = Generator(max_size=SIZE)
    for world in WORLDS:
        for seed in range(first, first + count):
            scenes = list(generator.clip(seed, FRAMES, RATE, world=world, size=SIZE))
            for entry in instructions(scenes, 6):
                if entry.target is None:
                    continue
                moments = list(play(scenes, grounder, entry.text))
                value, told = worth(scenes, entry.target, moments)
                if value > 0:
                    found.append((value, f"{world} {seed} {entry.text!r}: {told}"))
                    print(found[-1], flush=True)
    generator.close()
    print(*(line for _, line in sorted(found, reverse=True)), sep="\n")


def main() -> None:
    """Read the command line, then draw or search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", nargs=2, type=int, metavar=("SEED", "COUNT"), help="look through clips instead")
    parser.add_argument("--world", choices=WORLDS, default=CHOSEN[0], help="the clip's world")
    parser.add_argument("--seed", type=int, default=CHOSEN[1], help="the clip's seed")
    parser.add_argument("--instruction", default=CHOSEN[2], help="what to find in it")
    parser.add_argument("--out", type=Path, default=OUT, help="file to write")
    options = parser.parse_args()
    folder = resolve("egm_tiny")
    with TransformersEngine(folder) as engine:
        engine.wait_ready()
        grounder = Grounder(engine, load_info(folder))
        if options.search:
            search(grounder, *options.search)
            return
        generator = Generator(max_size=SIZE)
        scenes = list(generator.clip(options.seed, FRAMES, RATE, world=options.world, size=SIZE))
        generator.close()
        moments = list(play(scenes, grounder, options.instruction))
    # What comes before the first answer shows nothing.
    write(options.out, [picture(moment, options.instruction) for moment in moments[LATENCY:]])
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
