"""How objects are placed: footprints, what rests on what, what is taken off a stage."""

from __future__ import annotations

import numpy as np
import pytest

from egm_core.scenes.generator import VERSION
from egm_core.scenes.worlds.layout import compose, without
from egm_core.scenes.worlds.stage import Footprint, Stage


def composed(world, count: int) -> list[Stage]:
    made = (compose(np.random.default_rng([VERSION, 9, i]), world, 224, 168) for i in range(count))
    return [stage for stage in made if stage is not None]


def test_footprints_overlap_as_rectangles_do() -> None:
    a = Footprint(0.0, 0.0, 0.0, (1.0, 0.5))
    assert a.overlaps(Footprint(1.9, 0.0, 0.0, (1.0, 0.5)))
    assert not a.overlaps(Footprint(2.01, 0.0, 0.0, (1.0, 0.5)))
    assert not a.overlaps(Footprint(0.0, 1.01, 0.0, (1.0, 0.5)))
    diamond = Footprint(1.6, 1.1, np.pi / 4, (0.5, 0.5))
    assert not a.overlaps(diamond), "their circles meet, the rectangles don't"
    assert a.overlaps(diamond.moved(1.3, 0.8))


def test_clearance_is_the_least_way_out() -> None:
    a = Footprint(0.0, 0.0, 0.3, (0.2, 0.1))
    b = Footprint(0.05, 0.02, -0.4, (0.3, 0.2))
    way = a.clearance(b, 0.6, 0.8)
    assert way > 0
    assert not a.moved(0.6 * (way + 1e-6), 0.8 * (way + 1e-6)).overlaps(b)
    assert a.moved(0.6 * (way - 1e-3), 0.8 * (way - 1e-3)).overlaps(b)
    assert a.clearance(b.moved(5.0, 5.0), 1.0, 0.0) == 0.0


@pytest.mark.parametrize("world", ["tabletop", "street"])
def test_nothing_stands_in_something_else(world) -> None:
    for stage in composed(world, 25):
        standing = [thing.footprint for thing in stage.things if thing.support is None]
        standing += [piece.footprint for piece in stage.furniture if piece.footprint is not None]
        for i, a in enumerate(standing):
            assert not any(a.overlaps(b) for b in standing[i + 1 :])


def test_things_rest_on_what_they_say() -> None:
    rested = 0
    for stage in composed("tabletop", 80):
        for thing in stage.things:
            low = min(float(p.position[2]) for p in thing.primitives)
            if thing.support is None:
                assert low >= 0.0 and thing.footprint.overlaps(thing.footprint)
                continue
            base = stage.things[thing.support]
            rested += 1
            assert base.support is None and thing.footprint.overlaps(base.footprint)
            assert base.category in ("box", "book", "notebook", "pen")
            if base.category != "pen":
                assert thing.position[2] >= base.shape.height - 1e-9
            else:
                assert thing.category == "notebook"
    assert rested >= 8


def test_taking_something_off_takes_what_rests_on_it_and_renumbers() -> None:
    for stage in composed("tabletop", 80):
        resting = [i for i, thing in enumerate(stage.things) if thing.support is not None]
        if not resting:
            continue
        top = resting[0]
        base = stage.things[top].support
        assert base is not None
        left = without(stage, {base})
        assert len(left.things) <= len(stage.things) - 2
        for thing in left.things:
            assert thing.support is None or left.things[thing.support].category in ("box", "book", "notebook", "pen")
        other = next(i for i in range(len(stage.things)) if i not in (top, base))
        less = without(stage, {other})
        moved = less.things[top - (other < top)]
        assert moved.category == stage.things[top].category
        assert moved.support is None or moved.support == base - (other < base)
        return
    pytest.fail("no stage had anything resting on something")
