"""Renders seeded scenes with exact truth; the same seed gives the same scene, bit for bit, on one machine.

from egm_core.scenes import Generator
scene = Generator().scene(seed=7)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.scenes.projection import EMPTY, Silhouette, View, bounds, mask_box, on_pixels, silhouette
from egm_core.scenes.render import Renderer, Solid
from egm_core.scenes.truth import WORLDS, ObjectTruth, Scene, World
from egm_core.scenes.worlds import motion
from egm_core.scenes.worlds.layout import compose, in_frame, large_enough, without
from egm_core.scenes.worlds.stage import Stage, Thing

VERSION = 1
SIZES: tuple[tuple[int, int], ...] = ((224, 168), (192, 192), (256, 144), (168, 224))
SIZE_SHARES = (0.35, 0.35, 0.25, 0.05)
MIN_VISIBLE = 0.25
MIN_OBJECTS = 3
_ATTEMPTS = 60
_FURNITURE_LABELS = {"arm": 200, "pole": 201, "truck": 202}
_FURNITURE_WORDS = {label: name for name, label in _FURNITURE_LABELS.items()}


@dataclass(frozen=True, eq=False)
class _Settled:
    stage: Stage
    labels: NDArray[np.uint8]
    depth: NDArray[np.float32]


class Generator:
    """Makes scenes; it holds an OpenGL context, so make one per process, use it in that thread, and close it."""

    def __init__(self, max_size: tuple[int, int] = (256, 224), shadow_size: int = 1024, samples: int = 4) -> None:
        """Open the context for images up to `max_size` (width, height).

        Raises RenderError, naming the remedy, on a machine without EGL.
        """
        self._renderer = Renderer(max_size, shadow_size, samples)

    def close(self) -> None:
        """Free the context."""
        self._renderer.close()

    def scene(self, seed: int, world: World | None = None, size: tuple[int, int] | None = None) -> Scene:
        """Return the scene of a seed; the world and the size (width, height) are the seed's own unless given."""
        settled = self._settle(seed, world, size)
        return self._record(settled.stage, seed, settled.labels, settled.depth)

    def clip(
        self,
        seed: int,
        frames: int | None = None,
        fps: float = 10.0,
        world: World | None = None,
        size: tuple[int, int] | None = None,
        objects: bool = True,
        camera: bool = True,
        passing: bool = True,
    ) -> Iterator[Scene]:
        """Yield the frames of a seed's scene in motion, without end when `frames` is None.

        Objects keep their index. `objects`, `camera` and `passing` say what may move; what passes in front can hide
        an object altogether: then its visible box is four zeros and its visible fraction 0.
        """
        if fps <= 0:
            raise ValueError(f"a clip needs a positive frame rate, got fps={fps}")
        rng = np.random.default_rng([VERSION, seed, _ATTEMPTS])
        stage, way = motion.draw(rng, self._settle(seed, world, size).stage, objects, camera, passing)
        for i in itertools.count() if frames is None else range(frames):
            yield self.observe(motion.at(stage, way, i / fps), seed)

    def _settle(self, seed: int, world: World | None, size: tuple[int, int] | None) -> _Settled:
        """Return the seed's first arrangement that keeps enough objects, with its labels and depths still loaded."""
        own_world, own_size = choices(seed)
        chosen, (width, height) = world or own_world, size or own_size
        for attempt in range(_ATTEMPTS):
            stage = compose(np.random.default_rng([VERSION, seed, attempt]), chosen, width, height)
            settled = None if stage is None else self._pruned(stage)
            if settled is not None:
                return settled
        raise RuntimeError(f"no arrangement of seed {seed} in {chosen} at {width}x{height} held {MIN_OBJECTS} objects")

    def _pruned(self, stage: Stage) -> _Settled | None:
        """Drop the worst hidden objects until every one is recognisable; None when too few are left."""
        while len(stage.things) >= MIN_OBJECTS:
            labels, depth = self._labels(stage)
            poor = []
            for i, thing in enumerate(stage.things):
                seen = labels == i + 1
                share = float(seen.sum()) / max(outline_of(stage.view, thing).area, 1)
                if share < MIN_VISIBLE or not large_enough(stage.view, mask_box(seen)):
                    poor.append((share, i))
            if not poor:
                return _Settled(stage, labels, depth)
            stage = without(stage, {min(poor)[1]})
        return None

    def observe(self, stage: Stage, seed: int) -> Scene:
        """Render a stage and measure everything on it; objects may be hidden altogether."""
        return self._record(stage, seed, *self._labels(stage))

    def _labels(self, stage: Stage) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        backdrop = Solid(0, stage.backdrop)
        pieces = [Solid(_FURNITURE_LABELS[f.name], f.primitives) for f in stage.furniture]
        things = [Solid(i + 1, thing.primitives) for i, thing in enumerate(stage.things)]
        self._renderer.load(stage.view, [backdrop, *pieces, *things], stage.lights)
        return self._renderer.labels()

    def _record(self, stage: Stage, seed: int, labels: NDArray[np.uint8], depth: NDArray[np.float32]) -> Scene:
        view, things = stage.view, stage.things
        objects = tuple(_measure(view, i, thing, labels, depth) for i, thing in enumerate(things))
        segmentation = np.where(labels <= len(things), labels, np.uint8(0)).astype(np.uint8)
        image = self._renderer.image()
        return Scene(
            seed, stage.world, VERSION, view.width, view.height, image, segmentation, depth, objects, view.camera
        )


def choices(seed: int) -> tuple[World, tuple[int, int]]:
    """Return the world and the image size (width, height) that belong to a seed."""
    if seed < 0:
        raise ValueError(f"scene seed {seed} is negative; seeds start at 0")
    rng = np.random.default_rng([VERSION, seed])
    return WORLDS[int(rng.integers(2))], SIZES[int(rng.choice(len(SIZES), p=SIZE_SHARES))]


@dataclass(frozen=True, eq=False)
class Outline:
    """Where an object would be seen with nothing in front of it: in full, clipped to the frame, and its pixels."""

    full: Box
    clipped: Box
    silhouette: Silhouette
    area: int


_NOTHING = Silhouette(0, 0, np.zeros((0, 0), np.bool_))


@lru_cache(maxsize=64)
def outline_of(view: View, thing: Thing) -> Outline:
    """Return the outline of a thing in a view; all empty for what isn't wholly in front of the camera."""
    whole, least_depth = bounds(view, thing.primitives)
    if least_depth <= view.near:
        return Outline(EMPTY, EMPTY, _NOTHING, 0)
    full = on_pixels(whole)
    shape = silhouette(view, thing.primitives, whole)
    clipped = full if full == in_frame(view, full) else shape.box
    return Outline(full, clipped, shape, int(shape.mask.sum()))


def _measure(
    view: View, index: int, thing: Thing, labels: NDArray[np.uint8], depth: NDArray[np.float32]
) -> ObjectTruth:
    outline = outline_of(view, thing)
    seen = labels == index + 1
    visible = mask_box(seen)
    full, amodal = outline.full, outline.clipped
    if visible != EMPTY:
        amodal, full = _around(amodal, visible), _around(full, visible)
    pixels = int(seen.sum())
    center = thing.center
    low, high = thing.local_box
    center_depth = float(view.rotation[2] @ (center - view.position))
    return ObjectTruth(
        index=index,
        category=thing.category,
        color=thing.color,
        size=thing.size,
        state=thing.state,
        visible=visible,
        amodal_full=full,
        amodal=amodal,
        visible_fraction=min(1.0, pixels / max(outline.area, 1)),
        occluders=_occluders(index, labels, outline.silhouette, visible),
        supported_by=thing.support,
        depth=float(np.median(depth[seen])) if pixels else center_depth,
        center_depth=center_depth,
        position=center,
        rotation=thing.rotation.copy(),
        extent=high - low,
    )


def _around(box: Box, other: Box) -> Box:
    if box == EMPTY:
        return other
    return min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])


def _occluders(index: int, labels: NDArray[np.uint8], outline: Silhouette, visible: Box) -> tuple[str, ...]:
    """Name what hides an object, the most covering first.

    That is what covers at least 3 % (and 4 pixels) of its silhouette, or 3 pixels of it beyond the visible box: a
    thin end counts for little, but the box shrinks with it.
    """
    under = outline.crop(labels)
    rows, columns = np.nonzero(outline.mask)
    values = under[rows, columns]
    x, y = columns + outline.x, rows + outline.y
    beyond = (x < visible[0]) | (x >= visible[2]) | (y < visible[1]) | (y >= visible[3])
    counts, ends = np.bincount(values, minlength=256), np.bincount(values[beyond], minlength=256)
    counts[0] = counts[index + 1] = ends[0] = ends[index + 1] = 0
    covering = np.flatnonzero((counts >= max(4.0, 0.03 * len(values))) | (ends >= 3))
    covering = covering[np.argsort(-counts[covering], kind="stable")]
    return tuple(_FURNITURE_WORDS.get(int(label), f"object:{label - 1}") for label in covering)
