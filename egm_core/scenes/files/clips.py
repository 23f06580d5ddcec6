"""Moving scenes kept as a folder of JPEGs with their truth, and instructions that stay true throughout.

`clip.json` has the rate, the camera's focal lengths and centre in pixels, the instructions (text, kind, target), and
for each frame its file and its objects with their boxes (absolute xyxy).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egm_core.scenes.language.expressions import Expression, absents, expressions
from egm_core.scenes.language.facts import Facts
from egm_core.scenes.language.semantics import nothing_like, single
from egm_core.scenes.truth import Scene

# The order in which kinds are shown; an absent one comes last.
KINDS_SHOWN = ("relation", "two_step", "occlusion", "ordinal", "attribute", "size")
LOOKS = 6
# Something may pass before an object now and then.
MIN_VISIBLE = 0.25
MIN_SHOWN = 0.75


@dataclass(frozen=True)
class Instruction:
    """What can be asked throughout a clip; `target` is the object's index, None where nothing fits."""

    text: str
    kind: str
    target: int | None


def instructions(scenes: Sequence[Scene], count: int) -> list[Instruction]:
    """Choose instructions that single out the same object in every frame of a clip; the last one fits nothing.

    Different kinds and different objects come first, then objects that are partly hidden.
    """
    facts = [Facts(scene) for scene in scenes]
    looks = range(0, len(scenes), max(1, len(scenes) // LOOKS))
    clear = {look: {(found.text, found.target) for found in expressions(scenes[look])} for look in looks}
    shares = [[scene.objects[number].visible_fraction for scene in scenes] for number in range(len(scenes[0].objects))]

    def lasts(found: Expression) -> bool:
        """Whether the object can be seen most of the time, and is the one that is meant whenever it can."""
        if found.target is None:
            return False
        seen = [frame for frame, share in enumerate(shares[found.target]) if share >= MIN_VISIBLE]
        return (
            len(seen) >= MIN_SHOWN * len(scenes)
            and all(single(facts[frame], found.form) == found.target for frame in seen)
            and all((found.text, found.target) in clear[look] for look in looks if look in seen)
        )

    lasting = [found for found in expressions(scenes[0]) if lasts(found)]
    chosen: list[Expression] = []

    def worth(found: Expression) -> tuple[bool, bool, float, bool]:
        kinds, targets = {other.kind for other in chosen}, {other.target for other in chosen}
        covered = 1.0 - float(np.median(shares[found.target])) if found.target is not None else 0.0
        return found.kind not in kinds, found.target not in targets, round(covered, 1), found.distractor

    while len(chosen) < count - 1 and (rest := [found for found in lasting if found not in chosen]):
        chosen.append(max(rest, key=worth))
    chosen.sort(key=lambda found: KINDS_SHOWN.index(found.kind) if found.kind in KINDS_SHOWN else len(KINDS_SHOWN))
    missing = [found for found in absents(scenes[0]) if all(nothing_like(fact, found.form) for fact in facts)]
    return [Instruction(found.text, found.kind, found.target) for found in [*chosen, *missing[:1]]]


def write(folder: Path, scenes: Sequence[Scene], rate: float, asked: Sequence[Instruction], quality: int = 92) -> None:
    """Write a clip, its truth and its instructions into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    frames: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes):
        name = f"{number:03d}.jpg"
        picture = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        objects = [
            {
                "index": entry.index,
                "category": entry.category,
                "color": entry.color,
                "visible": [round(edge, 2) for edge in entry.visible],
                "amodal": [round(edge, 2) for edge in entry.amodal],
            }
            for entry in scene.objects
        ]
        frames.append({"file": name, "objects": objects})
    camera = scenes[0].camera
    manifest = {
        "world": scenes[0].world,
        "seed": scenes[0].seed,
        "fps": rate,
        "camera": {name: float(getattr(camera, name)) for name in ("fx", "fy", "cx", "cy")},
        "instructions": [asdict(instruction) for instruction in asked],
        "frames": frames,
    }
    lines = json.dumps(manifest, indent=1)
    (folder / "clip.json").write_text(lines + "\n")
