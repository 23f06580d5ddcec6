"""Clips: the same objects from frame to frame, moving, hidden and seen again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from egm_core.scenes import Generator


@pytest.mark.parametrize("world", ["tabletop", "street"])
def test_objects_keep_their_index_and_their_looks(generator: Generator, world) -> None:
    frames = list(generator.clip(21, frames=8, fps=2.0, world=world, size=(192, 144)))
    assert len(frames) == 8
    first = frames[0]
    for frame in frames:
        assert [(o.index, o.category, o.color, o.size) for o in frame.objects] == [
            (o.index, o.category, o.color, o.size) for o in first.objects
        ]
        assert all(np.array_equal(o.extent, p.extent) for o, p in zip(frame.objects, first.objects, strict=True))
        for thing in frame.objects:
            pixels = int((frame.segmentation == thing.index + 1).sum())
            assert (pixels == 0) == (thing.visible == (0.0, 0.0, 0.0, 0.0)) == (thing.visible_fraction == 0.0)
    assert any(not np.array_equal(frame.camera.position, first.camera.position) for frame in frames)


def test_a_clip_is_its_seeds(generator: Generator) -> None:
    long = list(generator.clip(5, frames=4, fps=10.0, size=(160, 120)))
    short = list(itertools.islice(generator.clip(5, fps=10.0, size=(160, 120)), 3))
    for a, b in zip(long, short, strict=False):
        assert np.array_equal(a.image, b.image)
    with pytest.raises(ValueError, match="fps"):
        next(generator.clip(5, frames=1, fps=0.0))


def test_nothing_moves_when_nothing_may(generator: Generator) -> None:
    still = list(generator.clip(5, frames=3, fps=1.0, size=(160, 120), objects=False, camera=False, passing=False))
    assert np.array_equal(still[0].image, still[2].image)
    assert np.array_equal(still[0].image, generator.scene(5, size=(160, 120)).image)


def test_objects_move_without_the_camera(generator: Generator) -> None:
    moved = 0
    for seed in range(30, 34):
        a, b = generator.clip(seed, frames=2, fps=1.0, size=(160, 120), camera=False, passing=False)
        assert np.array_equal(a.camera.position, b.camera.position)
        for before, after in zip(a.objects, b.objects, strict=True):
            step = float(np.linalg.norm(after.position - before.position))
            assert step < 3.0 and np.array_equal(before.rotation, after.rotation)
            moved += step > 0.01
    assert moved >= 4


def test_what_passes_hides_an_object_and_uncovers_it(generator: Generator) -> None:
    vanished = returned = 0
    for seed in range(40, 46):
        clip = generator.clip(seed, frames=14, fps=2.5, size=(160, 120), objects=False, camera=False)
        seen = np.array([[thing.visible_fraction for thing in frame.objects] for frame in clip])
        least = seen.argmin(axis=0)
        vanished += int((seen.min(axis=0) < 0.1).any())
        for index, frame in enumerate(least):
            if seen[frame, index] < 0.5 * seen[0, index] and 0 < frame < len(seen) - 1:
                returned += int(seen[frame:, index].max() > 0.9 * seen[0, index])
    assert vanished >= 2 and returned >= 4
