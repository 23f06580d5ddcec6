"""Draws docs/demo.gif: two objects while another passes in front of them, with stale boxes and propagated ones.

    tools/env.sh python tools/demo_gif.py [--seed SEED --world WORLD --instructions TEXT TEXT]
    tools/env.sh python tools/demo_gif.py --search 500006000 20

The answers are the embedded model's, each LATENCY old when it comes. `--search` looks through clips for large objects
that are hidden by half in between, and prints how well the boxes do there, the best first; a clip with two serves.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from egm_core.arguments import SEED
from egm_core.boxes import Box, iou
from egm_core.engines.local import TransformersEngine
from egm_core.grounder import Grounder
from egm_core.models.folder import load_info, resolve
from egm_core.pictures.draw import AMODAL, NOW_AMODAL, NOW_VISIBLE, draw, tagged
from egm_core.propagation import Track, begin, propagate, shrink
from egm_core.scenes import Generator
from egm_core.scenes.files.clips import instructions
from egm_core.scenes.truth import WORLDS, Scene, World

OUT = Path(__file__).resolve().parent.parent / "docs" / "demo.gif"
CHOSEN: tuple[World, int, list[str]] = ("street", 500_006_008, ["the black car", "the yellow cone"])
SIZE, RATE, FRAMES = (640, 480), 10.0, 50
# Frames that an answer takes: 0.8 s.
LATENCY = 8
STALE = ((235, 70, 60), AMODAL)
SHOWN = (480, 360)
RIGHT = 0.5
# Of 224 pixels, what the smaller side of an object needs to be seen well.
LEAST_SIDE = 36 / 224
# Of an object's own pixels, what counts as hidden by half.
HIDDEN = (0.1, 0.6)
COLORS = 90
# Where the columns of verdicts begin, in pixels.
COLUMNS = (150, 268, 372)
# Pixels between an object and the image's edge, at least.
MARGIN = 8


@dataclass(frozen=True)
class Moment:
    """One frame: the boxes of the newest answer, the same boxes propagated to the frame, and what would be right."""

    scene: Scene
    stale: tuple[Box, Box | None] | None
    now: tuple[Box, Box | None] | None
    truth: tuple[Box, Box] | None = None

    def verdicts(self) -> tuple[str, str, str]:
        """Say of the stale box, the visible one and the amodal one whether each is right; empty where nobody knows."""
        if self.truth is None:
            return "", "", ""
        seen, whole = self.truth
        given = (self.stale and self.stale[0], self.now and self.now[0], self.now and self.now[1])
        pairs = zip(given, (seen, seen, whole), strict=True)
        stale, now, amodal = (_verdict(box, truth) if box else "" for box, truth in pairs)
        return stale, now, amodal


def _verdict(box: Box, truth: Box) -> str:
    if truth[2] <= truth[0] or truth[3] <= truth[1]:
        return "hidden"
    return "right" if iou(box, truth) >= RIGHT else "wrong"


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


def picture(moments: Sequence[Moment], instructions: Sequence[str]) -> NDArray[np.uint8]:
    """Draw one frame with both kinds of boxes of each target, and say below which is which."""
    image: NDArray[np.uint8] = moments[0].scene.image
    stale = [moment.stale[0] for moment in moments if moment.stale]
    image = draw(image, stale, colors=STALE)
    words = [f"{number}:t{number} {text}" for number, text in enumerate(instructions, 1)]
    now = [(moment.now, told) for moment, told in zip(moments, words, strict=True) if moment.now]
    wholes = [whole for (_, whole), _ in now if whole is not None]
    image = draw(image, [visible for (visible, _), _ in now], wholes, colors=(NOW_VISIBLE, NOW_AMODAL))
    image = tagged(image, [(visible, told) for (visible, _), told in now], NOW_VISIBLE)
    image = np.asarray(cv2.resize(image, SHOWN, interpolation=cv2.INTER_AREA), np.uint8)
    return np.vstack([image, strip(moments, words)])


def strip(moments: Sequence[Moment], words: Sequence[str]) -> NDArray[np.uint8]:
    """Write what the colours mean, and below it, for each target, which boxes are right."""
    paper = np.full((22 * len(words) + 30, SHOWN[0], 3), 250, np.uint8)

    def write(text: str, at: int, row: int) -> None:
        cv2.putText(paper, text, (at, 20 + 22 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)

    names = (("answer, stale", STALE[0]), ("visible now", NOW_VISIBLE), ("amodal now", NOW_AMODAL))
    for (name, color), at in zip(names, COLUMNS, strict=True):
        cv2.line(paper, (at, 15), (at + 12, 15), color, 3)
        write(name, at + 16, 0)
    for row, (moment, told) in enumerate(zip(moments, words, strict=True), 1):
        write(told, 8, row)
        for verdict, at in zip(moment.verdicts(), COLUMNS, strict=True):
            write(verdict, at + 16, row)
    return paper


def write(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Write a GIF with one palette for all frames, so that unchanged pixels cost nothing; boxes keep their colours."""
    sheet = Image.fromarray(np.vstack(pictures[:: max(1, len(pictures) // 8)]))
    colors = sheet.quantize(COLORS, method=Image.Quantize.MEDIANCUT).getpalette() or []
    own = [part for color in (STALE[0], NOW_VISIBLE, NOW_AMODAL) for part in color]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colors[: 3 * COLORS], *own])
    frames = [Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE) for image in pictures]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=round(1000 / RATE), loop=0, optimize=False)


def suits(scenes: Sequence[Scene], index: int) -> bool:
    """Tell whether an object is large, within the image, seen well at first, and hidden by half for a while."""
    truth = [scene.objects[index] for scene in scenes]
    width, height = SIZE
    sides = [min(t.amodal[2] - t.amodal[0], t.amodal[3] - t.amodal[1]) for t in truth]
    inside = all(min(t.amodal[0], t.amodal[1], width - t.amodal[2], height - t.amodal[3]) > MARGIN for t in truth)
    shown = [t.visible_fraction for t in truth]
    hidden = sum(HIDDEN[0] < share < HIDDEN[1] for share in shown)
    return inside and min(sides) >= LEAST_SIDE * height and min(shown[: round(RATE)]) > 0.85 and hidden >= 4


def boxes(scene: Scene, target: int | None) -> tuple[Box, Box] | None:
    """Give an object's true boxes in a scene."""
    return None if target is None else (scene.objects[target].visible, scene.objects[target].amodal)


def worth(scenes: Sequence[Scene], index: int, moments: Sequence[Moment]) -> tuple[float, str]:
    """Rate a clip: how much better the propagated boxes are than the stale ones, and how good they are at worst."""
    truth = [scene.objects[index] for scene in scenes]
    pairs = [(m, t) for m, t in zip(moments, truth, strict=True) if m.stale and m.now and t.visible_fraction > 0]
    if len(pairs) < FRAMES // 2:
        return 0.0, "few boxes"
    stale = [iou(m.stale[0], t.visible) for m, t in pairs if m.stale]
    now = [iou(m.now[0], t.visible) for m, t in pairs if m.now]
    whole = [iou(m.now[1], t.amodal) for m, t in pairs if m.now and m.now[1]] or [0.0]
    means = [float(np.mean(shares)) for shares in (stale, now, whole)]
    told = "stale {:.2f}, now {:.2f}, amodal {:.2f}".format(*means) + f", at worst {min(whole):.2f}"
    return means[1] - means[0] + means[1] + means[2] + min(whole), told


def search(grounder: Grounder, first: int, count: int) -> None:
    """Print the clips that show most, the best first."""
    found = []
    generator = Generator(max_size=SIZE)
    for seed in range(first, first + count):
        for world in WORLDS:
            scenes = list(generator.clip(seed, FRAMES, RATE, world=world, size=SIZE))
            for entry in instructions(scenes, 6):
                if entry.target is None or not suits(scenes, entry.target):
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
    parser.add_argument("--search", nargs=2, type=SEED, metavar=("SEED", "COUNT"), help="look for clips instead")
    parser.add_argument("--world", choices=WORLDS, default=CHOSEN[0], help="the clip's world")
    parser.add_argument("--seed", type=SEED, default=CHOSEN[1], help="the clip's seed")
    parser.add_argument("--instructions", nargs="+", default=CHOSEN[2], help="what to find in it")
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
        targets = {entry.text: entry.target for entry in instructions(scenes, 6)}
        played = [
            [replace(moment, truth=boxes(moment.scene, targets.get(text))) for moment in play(scenes, grounder, text)]
            for text in options.instructions
        ]
    # What comes before the first answer shows nothing.
    together = list(zip(*played, strict=True))[LATENCY:]
    write(options.out, [picture(moments, options.instructions) for moments in together])
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
