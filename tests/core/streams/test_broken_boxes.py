"""Boxes that are none reach nothing that draws, follows or lifts: whole answers are dropped, and told."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from egm_core.streams.joining import BROKEN, Pairs

SOUND = (160.0, 120.0, 80.0, 60.0)


def array(*boxes: tuple[float, float, float, float], score: float = 0.5) -> Any:
    """An array of boxes by their middles and sides."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=5, nanosec=0))
    found = []
    for number, (x, y, width, height) in enumerate(boxes):
        center = SimpleNamespace(position=SimpleNamespace(x=x, y=y))
        result = SimpleNamespace(hypothesis=SimpleNamespace(class_id="mug", score=score))
        box = SimpleNamespace(center=center, size_x=width, size_y=height)
        found.append(SimpleNamespace(id=f"1:{number}", bbox=box, results=[result]))
    return SimpleNamespace(header=header, detections=found)


@pytest.mark.parametrize(
    "broken",
    [
        (math.nan, 1.0, 2.0, 2.0),
        (1.0, 1.0, 2.0, math.nan),
        (math.inf, 1.0, 2.0, 2.0),
        (1.0, 1.0, math.inf, 2.0),
        (1e300, 1.0, 2.0, 2.0),
        (1.0, 1.0, 1e9, 2.0),
    ],
)
@pytest.mark.parametrize("place", ["visible", "amodal"])
def test_an_answer_with_such_a_box_is_dropped_as_a_whole_and_told(broken: Any, place: str) -> None:
    pairs = Pairs()
    visible = array(SOUND, broken if place == "visible" else SOUND)
    assert pairs.visible(visible, 1.0) is None
    assert pairs.amodal(array(SOUND, broken if place == "amodal" else SOUND), 1.0) is None
    (dropped,) = pairs.dropped()
    assert (dropped.why, dropped.array) == (BROKEN, visible)
    assert "publishes" in str(dropped)
    pairs.visible(array(SOUND), 1.1)
    assert pairs.amodal(array(SOUND), 1.1) is not None


def test_a_score_that_is_no_number_is_none_either_and_a_box_beyond_the_picture_is_still_one() -> None:
    pairs = Pairs()
    pairs.visible(array(SOUND, score=math.nan), 1.0)
    assert pairs.amodal(array(SOUND), 1.0) is None
    beyond = array((5000.0, -800.0, 80.0, 60.0))
    pairs.visible(beyond, 1.1)
    assert pairs.amodal(beyond, 1.1) is not None
