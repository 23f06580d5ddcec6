"""Generated worlds as the files that the field has: pictures, REFER's files, COCO-Amodal's file; and their truth."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from egm_core.boxes import Box
from egm_core.sample import Sample, write_samples
from egm_core.scenes.files.export import rendered
from egm_core.scenes.language.expressions import choose
from egm_core.scenes.truth import Scene

# Sides of objects that somebody could still point at, in pixels.
LEAST_SIDE = 5
# Names of objects whose colour and noun another one has, too: they say nothing of other objects.
NAMING = {"attribute": 0.3, "ordinal": 0.5, "size": 0.2}


@dataclass(frozen=True)
class Thing:
    """An object as it is: its colour and noun, its boxes, and all expressions that mean it and nothing else."""

    colour: str
    category: str
    visible: Box
    amodal: Box
    sents: tuple[str, ...]
    name: str
    behind: tuple[str, ...] = ()
    # Whether no other object of the scene has its colour and noun.
    alone: bool = True


@dataclass(frozen=True)
class World:
    """A picture with what can be named in it. `pixels` is a digest by which a server knows the picture again."""

    stem: str
    pixels: str
    things: tuple[Thing, ...]

    def meant(self, sent: str) -> Thing | None:
        return next((thing for thing in self.things if sent in thing.sents), None)


def digest(image: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(image).tobytes()).hexdigest()


def make(folder: Path, scenes: int, first_seed: int) -> tuple[dict[str, World], Path, Path]:
    """Render worlds; gives them by their pictures' names, and the sample files of visible and of amodal boxes."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    worlds: dict[str, World] = {}
    visible: list[Sample] = []
    amodal: list[Sample] = []
    for scene in rendered(first_seed, scenes):
        stem = f"{scene.world}-{scene.seed:09d}"
        image = folder / "images" / f"{stem}.png"
        cv2.imwrite(str(image), np.ascontiguousarray(scene.image[..., ::-1]))
        found = _things(scene)
        worlds[stem] = World(stem, digest(scene.image), tuple(thing for thing, _, _ in found))
        for order, (thing, share, sent) in enumerate(found, 1):
            one = Sample(str(image), sent, thing.visible, None, None, scene.height, scene.width,
                         source="generated", split="val", category=thing.category)  # fmt: skip
            visible.append(one)
            if thing.alone and sent != f"the {thing.name}":
                # As in REFER, an object has several expressions, and what others say of it is in the file.
                visible.append(replace(one, sent=f"the {thing.name}"))
            whole = Sample(str(image), thing.name, thing.visible, thing.amodal, share, scene.height, scene.width,
                           source="generated", split="val", depth_order=order, occluders=thing.behind)  # fmt: skip
            amodal.append(whole)
    write_samples(folder / "visible.jsonl", visible)
    write_samples(folder / "amodal.jsonl", amodal)
    return worlds, folder / "visible.jsonl", folder / "amodal.jsonl"


def _things(scene: Scene) -> list[tuple[Thing, float, str]]:
    """Give what has a name of its own in a scene, the nearest first, with its visible share and an expression."""
    rng = np.random.default_rng(scene.seed)
    told: dict[int, list[str]] = {}
    for expression in (*choose(scene, rng, 12), *choose(scene, rng, 16, NAMING)):  # type: ignore[arg-type]
        if expression.target is not None:
            told.setdefault(expression.target, []).append(expression.text)
    names = _names(scene, told)
    found = []
    for one in sorted(scene.objects, key=lambda one: one.depth):
        x0, y0, x1, y1 = one.visible
        if one.index not in names or min(x1 - x0, y1 - y0) < LEAST_SIDE:
            continue
        name = names[one.index]
        sents = dict.fromkeys([*told.get(one.index, []), f"the {name}", name])
        words = (word.partition(":") for word in one.occluders)
        behind = tuple(names.get(int(index), "something") if index else kind for kind, _, index in words)
        alone = name == f"{one.color} {one.category}"
        thing = Thing(one.color, one.category, one.visible, one.amodal, tuple(sents), name, behind, alone)
        found.append((thing, one.visible_fraction, next(iter(sents))))
    return found


def _names(scene: Scene, told: dict[int, list[str]]) -> dict[int, str]:
    """Name objects: by colour and noun where that is one object's alone, else by the last expression, of `NAMING`."""
    counts = Counter((one.color, one.category) for one in scene.objects)
    found = {}
    for one in scene.objects:
        if counts[one.color, one.category] == 1:
            found[one.index] = f"{one.color} {one.category}"
        elif told.get(one.index):
            plain = [sent for sent in told[one.index] if f"{one.category}" in sent.split()[-4:] and " of " not in sent]
            if plain:
                found[one.index] = min(plain, key=len).removeprefix("the ")
    return found


def world_of(worlds: dict[str, World], sample: Sample) -> World:
    """Find a sample's world: the copies of pictures that writers make have a number after the name."""
    return worlds[Path(sample.image).stem.rsplit("-", 1)[0]]
