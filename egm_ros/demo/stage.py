"""What the demonstration shows: where a camera's pictures come from, what to ask, and what would be right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import cv2

from egm_core.boxes import Box, area, iou
from egm_core.streams.joining import Stamp
from egm_ros.camera.sources import CLIPS
from egm_ros.common.pictures.images import RGB
from egm_ros.demo.couples import couples
from egm_ros.demo.robot import Row

if TYPE_CHECKING:
    from egm_core.scenes.truth import World

LIVE_SEEDS = {"tabletop": 500_000_101, "street": 500_000_102}
LIVE_FRAMES, LIVE_RATE, LIVE_INSTRUCTIONS = 40, 8.0, 4
# What is seen well: as large in pixels of the clip, and as much of its box in view during the first second.
LEAST_SIDE, LEAST_SHOWN = 36.0, 0.6
RIGHT = 0.5
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Shown:
    """One world: the camera's parameters, its rate, the instructions with their objects, and the truth by picture."""

    name: str
    camera: tuple[str, ...]
    rate: float
    instructions: dict[str, int | None]
    truth: dict[str, dict[int, tuple[Box, Box]]] = field(default_factory=dict)

    def couples(self, most: int) -> list[tuple[str, ...]]:
        """Give which of the first so many instructions are asked for together."""
        return couples(dict(list(self.instructions.items())[:most]), list(self.truth.values()))

    def verdict(self, row: Row, seen: RGB | None) -> str:
        """Compare an answer with the truth: IoU of both boxes, whether absence was told rightly, or why nobody knows.

        Empty where there is no answer to compare.
        """
        target = self.instructions.get(row.instruction)
        if row.outcome not in ("found", "absent"):
            return ""
        if row.outcome == "absent" and row.reason:
            return "withheld"
        if row.outcome == "found" and row.visible is None:
            return f"{UNKNOWN}: its boxes were lost on their way"
        if target is None:
            return "right" if row.outcome == "absent" else "wrong"
        if seen is None:
            return f"{UNKNOWN}: its picture was lost on its way"
        if digest(seen) not in self.truth:
            return f"{UNKNOWN}: the truth of its picture is not kept"
        boxes = self.truth[digest(seen)].get(target)
        if boxes is None or not area(boxes[0]):
            return "right" if row.outcome == "absent" else "wrong: out of sight"
        if row.visible is None:
            return "wrong"
        given = (row.visible, row.amodal)
        return " / ".join(f"{iou(box, true):.2f}" if box else "-" for box, true in zip(given, boxes, strict=True))

    def overlap(self, instruction: str, box: Box | None, seen: RGB | None) -> str:
        """Give a visible box's IoU with the truth of a picture; empty where that is not known."""
        target = self.instructions.get(instruction)
        boxes = self.truth.get(digest(seen), {}) if seen is not None else {}
        return f"{iou(box, boxes[target][0]):.2f}" if target in boxes and box is not None else ""


def worded(verdict: str) -> str:
    """Put a verdict's numbers into a word: right where the visible box has an IoU of 0.5 or more with the truth."""
    share = verdict.partition(" / ")[0]
    if not share.replace(".", "", 1).isdecimal():
        return verdict
    return f"{'right' if float(share) >= RIGHT else 'wrong'}, IoU {verdict}"


def well_seen_first(
    asked: dict[str, int | None], frames: Sequence[dict[int, tuple[Box, Box]]], rate: float
) -> dict[str, int | None]:
    """Put instructions about objects that a viewer sees well first, then what is absent, then small or hidden ones."""

    def rank(target: int | None) -> int:
        if target is None:
            return 1
        boxes = [frame[target] for frame in frames if target in frame]
        sides = [min(whole[2] - whole[0], whole[3] - whole[1]) for _, whole in boxes]
        shown = [area(visible) / area(whole) for visible, whole in boxes[: round(rate)] if area(whole)]
        well = len(boxes) == len(frames) and min(sides) >= LEAST_SIDE and min(shown, default=0.0) >= LEAST_SHOWN
        return 0 if well else 2

    return dict(sorted(asked.items(), key=lambda pair: rank(pair[1])))


def answer_at(rows: Sequence[Row], stamp: Stamp, moment: float) -> Row | None:
    """Give the newest answer for a picture up to a stamp that had come at a moment (monotonic seconds)."""
    there = [row for row in rows if row.stamp <= stamp and row.came <= moment]
    return max(there, key=lambda row: row.stamp, default=None)


def digest(image: RGB) -> str:
    """Name a picture by its pixels."""
    return hashlib.sha1(image.tobytes()).hexdigest()


def kept_clips(names: Sequence[str]) -> list[Shown]:
    """Show the clips that come with the package."""
    shown = []
    for name in names:
        manifest = json.loads((CLIPS / name / "clip.json").read_text())
        truth = {}
        for frame in manifest["frames"]:
            picture = cv2.cvtColor(cv2.imread(str(CLIPS / name / frame["file"])), cv2.COLOR_BGR2RGB)
            boxes = {entry["index"]: (tuple(entry["visible"]), tuple(entry["amodal"])) for entry in frame["objects"]}
            truth[digest(picture)] = boxes
        asked = {entry["text"]: entry["target"] for entry in manifest["instructions"]}
        asked = well_seen_first(asked, list(truth.values()), manifest["fps"])
        shown.append(Shown(name, ("-p", "source:=clip", "-p", f"path:={name}"), manifest["fps"], asked, truth))
    return shown


def live_scenes(names: Sequence[str]) -> list[Shown]:
    """Show scenes that the camera renders; they are rendered here once, too, to know what can be asked."""
    from egm_core.scenes import Generator
    from egm_core.scenes.files.clips import instructions

    generator = Generator()
    shown = []
    for name in names:
        seed = LIVE_SEEDS[name]
        scenes = list(generator.clip(seed, LIVE_FRAMES, LIVE_RATE, world=cast("World", name)))
        truth = {
            digest(scene.image): {entry.index: (entry.visible, entry.amodal) for entry in scene.objects}
            for scene in scenes
        }
        asked = {entry.text: entry.target for entry in instructions(scenes, LIVE_INSTRUCTIONS)}
        asked = well_seen_first(asked, list(truth.values()), LIVE_RATE)
        values = {"source": "scene", "world": name, "seed": seed, "frames": LIVE_FRAMES, "rate": LIVE_RATE}
        parameters = tuple(word for key, value in values.items() for word in ("-p", f"{key}:={value}"))
        shown.append(Shown(name, parameters, LIVE_RATE, asked, truth))
    generator.close()
    return shown
