"""An object is found again by its colours where its points are of something else."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from egm_core.boxes import Box, iou
from egm_core.propagation import SmallFrame, begin, propagate, shrink
from egm_core.propagation.silhouette import outline
from egm_core.propagation.similarity import Similarity

STEP = 50_000_000
VAN: Box = (90.0, 80.0, 190.0, 140.0)


def rough(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


GROUND = np.asarray(rough(1, 240, 320)[..., None] * np.array([0.3, 0.3, 0.4]) + 90, np.uint8)
TRUCK = np.asarray(rough(2, 80, 72)[:, :70][..., None] * np.array([0.5, 0.5, 0.5]) + 40, np.uint8)


def street(number: int, speed: float, van: bool = True) -> SmallFrame:
    """A plain yellow van passes behind a truck that stands, and is full of things to follow."""
    image = GROUND.copy()
    left = round(VAN[0] + speed * number)
    if van:
        image[80:140, max(0, left) : left + 100] = [220, 190, 20]
    image[110:190, 105:175] = TRUCK
    return shrink(image, number * STEP)


def shifted(box: Box, right: float) -> Box:
    return box[0] + right, box[1], box[2] + right, box[3]


@pytest.mark.parametrize("speed", [-3.0, 3.0])
def test_an_object_goes_on_though_most_points_are_of_what_stands_before_it(speed: float) -> None:
    frames = [street(number, speed) for number in range(15)]
    track = propagate(begin(frames[0], VAN, VAN, 0.8), frames[1:])
    assert not track.lost
    assert track.amodal is not None
    assert iou(track.amodal, shifted(VAN, 14 * speed)) > 0.85


def test_an_object_that_stands_stays_where_it_is_while_something_passes_before_it() -> None:
    frames = [street(number, 0.0) for number in range(6)]
    silhouette = outline(frames[0], VAN, VAN)
    assert silhouette is not None
    assert all(silhouette.corrected(frame, Similarity()) is None for frame in frames)
    # What is not there any more is looked for nowhere else.
    assert silhouette.corrected(street(6, 0.0, van=False), Similarity()) is None
    moved = silhouette.corrected(street(4, 3.0), Similarity())
    assert moved is not None
    assert moved.shift == pytest.approx((12.0, 0.0), abs=6.0)


def test_colours_that_do_not_tell_an_object_apart_have_no_silhouette() -> None:
    flat = shrink(np.full((240, 320, 3), 90, np.uint8), 0)
    assert outline(flat, (0.0, 0.0, 320.0, 240.0), (0.0, 0.0, 320.0, 240.0)) is None
    assert outline(flat, (10.0, 10.0, 10.2, 10.2), (10.0, 10.0, 10.2, 10.2)) is None


def test_a_sliver_at_the_picture_s_edge_is_looked_at_without_a_complaint_of_numpy() -> None:
    frame = shrink(GROUND, STEP)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        track = begin(frame, (70.0, 0.0, 320.0, 0.1), (67.0, 0.0, 320.0, 9.0), 0.5)
    assert track.looks.silhouette is None
