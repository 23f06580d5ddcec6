"""Seeds, sizes, boxes: what a generated scene says of itself, against independent renderings of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from egm_core.boxes import Box, iou
from egm_core.scenes import CATEGORIES, COLORS, WORLDS, Generator, Scene
from egm_core.scenes.generator import MIN_VISIBLE, SIZES, VERSION, choices
from egm_core.scenes.worlds.layout import compose
from egm_core.scenes.worlds.stage import Stage


def box_of(mask: np.ndarray) -> Box:
    rows, columns = np.nonzero(mask)
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


def apart(a: Box, b: Box) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def stages(count: int) -> list[Stage]:
    made = []
    for seed in range(count):
        world, (width, height) = choices(seed)
        stage = compose(np.random.default_rng([VERSION, seed, 0]), world, width, height)
        if stage is not None:
            made.append(stage)
    return made


def test_a_seed_gives_the_same_scene_bit_for_bit(generator: Generator) -> None:
    for seed in (3, 500_000_004):
        first = generator.scene(seed)
        generator.scene(seed + 1)
        again = generator.scene(seed)
        assert np.array_equal(first.image, again.image)
        assert np.array_equal(first.segmentation, again.segmentation)
        assert first.depth is not None and again.depth is not None and np.array_equal(first.depth, again.depth)
        assert [o.amodal_full for o in first.objects] == [o.amodal_full for o in again.objects]
    assert not np.array_equal(generator.scene(3, size=(192, 192)).image, generator.scene(4, size=(192, 192)).image)


def test_another_buffer_size_and_another_generator_change_nothing(generator: Generator) -> None:
    other = Generator()
    try:
        mine, theirs = generator.scene(11), other.scene(11)
        assert np.array_equal(mine.image, theirs.image)
    finally:
        other.close()
    assert np.array_equal(generator.scene(11).image, mine.image)


def test_worlds_and_sizes_are_the_seeds_own_unless_given(generator: Generator, rendered: list[Scene]) -> None:
    assert {scene.world for scene in rendered} == set(WORLDS)
    for scene in rendered:
        world, size = choices(scene.seed)
        assert (scene.world, (scene.width, scene.height)) == (world, size)
        assert scene.image.shape == (scene.height, scene.width, 3)
        assert scene.segmentation.shape == (scene.height, scene.width)
    shares = Counter(choices(seed)[1] for seed in range(2000))
    assert set(shares) == set(SIZES)
    assert shares[(168, 224)] < 0.08 * 2000 < 0.3 * 2000 < shares[(224, 168)]
    given = generator.scene(3, world="street", size=(640, 480))
    assert (given.world, given.image.shape) == ("street", (480, 640, 3))


def test_a_size_beyond_the_buffer_is_refused_with_the_remedy(generator: Generator) -> None:
    with pytest.raises(ValueError, match="max_size"):
        generator.scene(3, size=(641, 480))


def test_negative_seeds_are_refused(generator: Generator) -> None:
    with pytest.raises(ValueError, match="negative"):
        generator.scene(-1)


def test_every_field_is_what_it_says(rendered: list[Scene]) -> None:
    for scene in rendered:
        assert 3 <= len(scene.objects) <= 8
        for i, thing in enumerate(scene.objects):
            assert thing.index == i
            assert thing.category in CATEGORIES[scene.world] and thing.color in COLORS
            assert thing.state in (("standing", "lying") if thing.category in ("bottle", "can") else ("",))
            assert MIN_VISIBLE <= thing.visible_fraction <= 1.0
            assert thing.supported_by is None or 0 <= thing.supported_by < len(scene.objects) != thing.supported_by
            assert abs(thing.depth - thing.center_depth) <= np.linalg.norm(thing.extent) / 2 + 1e-3
            assert np.allclose(thing.rotation @ thing.rotation.T, np.eye(3), atol=1e-9)
            for occluder in thing.occluders:
                word, _, index = occluder.partition(":")
                assert word in ("object", "arm", "pole", "truck")
                assert word != "object" or int(index) != i


def test_visible_boxes_are_the_segmentations_pixels(rendered: list[Scene]) -> None:
    for scene in rendered:
        assert int(scene.segmentation.max()) == len(scene.objects)
        for thing in scene.objects:
            assert thing.visible == box_of(scene.segmentation == thing.index + 1)


def test_visible_boxes_are_where_the_picture_changes_when_the_object_is_taken_away(generator: Generator) -> None:
    """Independent of the segmentation: two pictures, with and without the object, without shadows."""
    close = total = 0
    for stage in stages(8):
        lights = tuple(replace(light, shadow=False) for light in stage.lights)
        stage = replace(stage, lights=lights)
        whole = generator.observe(stage, 0)
        for thing in whole.objects:
            if thing.visible_fraction < 0.05:
                continue
            rest = tuple(t for i, t in enumerate(stage.things) if i != thing.index)
            without = generator.observe(replace(stage, things=tuple(replace(t, support=None) for t in rest)), 0)
            changed = np.abs(whole.image.astype(int) - without.image).max(axis=2) > 12
            seen = box_of(changed)
            # Edges are smoothed in the picture, so it changes up to one pixel beyond the object's own pixels.
            assert seen[0] >= thing.visible[0] - 1 and seen[1] >= thing.visible[1] - 1
            assert seen[2] <= thing.visible[2] + 1 and seen[3] <= thing.visible[3] + 1
            total += 1
            close += apart(seen, thing.visible) <= 1
    # Something of the same colour right behind an object hides that it is gone.
    assert total > 30 and close / total > 0.85


def test_amodal_boxes_are_the_objects_rendered_alone(generator: Generator) -> None:
    checked = 0
    for stage in stages(14):
        truth = generator.observe(stage, 0)
        for thing, placed in zip(truth.objects, stage.things, strict=True):
            bare = replace(stage, things=(replace(placed, support=None),), furniture=(), backdrop=())
            alone = generator.observe(bare, 0)
            seen = alone.objects[0].visible
            assert apart(thing.amodal, seen) <= 1, f"{thing.category}: {thing.amodal}, alone {seen}"
            pixels = int((alone.segmentation == 1).sum())
            fraction = int((truth.segmentation == thing.index + 1).sum()) / pixels
            assert thing.visible_fraction == pytest.approx(fraction, abs=0.06)
            checked += 1
    assert checked > 60


def test_amodal_boxes_hold_the_visible_ones_and_the_clipped_lie_in_the_frame(rendered: list[Scene]) -> None:
    cut = 0
    for scene in rendered:
        for thing in scene.objects:
            v, a, full = thing.visible, thing.amodal, thing.amodal_full
            assert a[0] <= v[0] and a[1] <= v[1] and a[2] >= v[2] and a[3] >= v[3]
            assert full[0] <= a[0] and full[1] <= a[1] and full[2] >= a[2] and full[3] >= a[3]
            assert 0 <= a[0] < a[2] <= scene.width and 0 <= a[1] < a[3] <= scene.height
            cut += full != a
    assert 0.05 < cut / sum(len(s.objects) for s in rendered) < 0.35


def test_boxes_differ_where_something_hides_an_object(rendered: list[Scene]) -> None:
    things = [thing for scene in rendered for thing in scene.objects]
    overlaps = np.array([iou(thing.visible, thing.amodal) for thing in things])
    assert (overlaps < 0.9).mean() >= 0.2
    assert (overlaps < 0.6).mean() >= 0.05
    for thing, overlap in zip(things, overlaps, strict=True):
        assert overlap > 0.9 or thing.occluders, "a box shrank, and nothing is said to hide it"


def test_sizes_suit_a_small_model(rendered: list[Scene]) -> None:
    """The ranges that the model learns from, for pictures of about 192 x 192 pixels."""
    things = [(thing, scene) for scene in rendered for thing in scene.objects]
    x0, y0, x1, y1 = np.array([thing.visible for thing, _ in things]).T
    root = np.sqrt((x1 - x0) * (y1 - y0))
    assert root.min() >= 17 and 28 <= np.median(root) <= 48
    assert np.minimum(x1 - x0, y1 - y0).min() >= 10
    longest = np.maximum(x1 - x0, y1 - y0) / np.array([scene.width for _, scene in things])
    assert np.median(longest) <= 0.25
    kinds = [Counter(o.category for o in scene.objects) for scene in rendered]
    assert np.mean([k[o.category] > 1 for k, scene in zip(kinds, rendered, strict=True) for o in scene.objects]) >= 0.6


def test_named_sizes_are_clearly_apart(rendered: list[Scene]) -> None:
    lengths: dict[tuple[str, str], list[float]] = {}
    for scene in rendered:
        for thing in scene.objects:
            lengths.setdefault((thing.category, thing.size), []).append(float(thing.extent.max()))
    compared = 0
    for (category, size), values in lengths.items():
        larger = lengths.get((category, {"small": "medium", "medium": "large", "large": ""}[size]))
        if larger:
            compared += 1
            assert max(values) < min(larger), f"{size} {category}s overlap the next size"
    assert compared >= 10


def test_colors_are_clear_in_the_picture(rendered: list[Scene]) -> None:
    """An object's brightest, most saturated pixels are nearest to its own colour, most of the time."""
    names = list(COLORS)
    # Shading scales a colour, so hue and saturation tell it; white, black and the rest are told by brightness.
    palette = np.array([COLORS[name] for name in names], float)
    right = total = 0
    for scene in rendered:
        for thing in scene.objects:
            pixels = scene.image[scene.segmentation == thing.index + 1].astype(float)
            typical = np.median(pixels, axis=0)
            right += names[int(np.abs(palette - typical).sum(1).argmin())] == thing.color
            total += 1
    assert right / total > 0.75
