"""Several objects carried together go as each would go alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from egm_core.boxes import Box, iou
from egm_core.propagation import SmallFrame, Track, advance, begin, propagate, shrink
from egm_core.propagation.recovery import distinct
from egm_core.propagation.similarity import Similarity

STEP = 50_000_000


def rough(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


GROUND = np.asarray(rough(1, 240, 320)[..., None] * np.array([0.3, 0.3, 0.4]) + 90, np.uint8)


def shifted(box: Box, right: float) -> Box:
    return box[0] + right, box[1], box[2] + right, box[3]


def textured(number: int) -> SmallFrame:
    image = GROUND.copy()
    for seed, (left, top) in enumerate(((30 + 3 * number, 20), (220 - 2 * number, 60), (60, 150 + number))):
        image[top : top + 48, left : left + 48] = rough(10 + seed, 48, 48)[..., None]
    return shrink(image, number * STEP)


BOXES: tuple[Box, ...] = ((30, 20, 78, 68), (220, 60, 268, 108), (60, 150, 108, 198))


def same(one: Track, two: Track) -> bool:
    return (one.visible, one.amodal, one.score, one.lost) == (two.visible, two.amodal, two.score, two.lost)


def test_objects_go_together_as_each_would_go_alone() -> None:
    frames = [textured(number) for number in range(9)]
    tracks = [begin(frames[0], box, box, 0.8) for box in BOXES]
    # One began later, and one has ended.
    tracks.append(begin(frames[3], shifted(BOXES[0], 9.0), None, 0.5))
    tracks.append(replace(tracks[0], lost="too_old"))
    together = list(tracks)
    for frame in frames[4:]:
        together = advance(together, frame)
    alone = [propagate(track, frames[4:]) for track in tracks]
    assert all(same(one, two) for one, two in zip(together, alone, strict=True))
    assert [track.lost for track in together] == ["", "", "", "", "too_old"]
    assert iou(together[0].visible, shifted(BOXES[0], 24.0)) > 0.9
    assert together[4] is tracks[4]


def test_pictures_of_another_size_end_them_all_and_nothing_to_carry_is_no_error() -> None:
    first = textured(0)
    tracks = [begin(first, box, box, 0.8) for box in BOXES]
    small = shrink(np.zeros((60, 80, 3), np.uint8), STEP)
    assert [track.lost for track in advance(tracks, small)] == ["another_size"] * 3
    assert advance([], first) == []


def test_guesses_that_lead_to_one_place_are_tried_once() -> None:
    points = np.array([[10.0, 10.0], [30.0, 40.0]], np.float32)
    guesses = [Similarity(), Similarity(shift=(0.5, 0.2)), Similarity(shift=(4.0, 0.0)), Similarity(scale=1.1)]
    assert distinct(guesses, points) == [guesses[0], guesses[2], guesses[3]]


def test_a_small_object_is_found_where_it_is_guessed_though_its_ground_stands_still() -> None:
    """At an eighth of the size nothing but ground is to be seen around its points, and that says: it did not move."""
    box: Box = (80, 80, 104, 104)
    thing, ground = rough(20, 24, 24), rough(21, 240, 320)

    def shown(right: int, number: int) -> SmallFrame:
        picture = ground.copy()
        picture[80:104, 80 + right : 104 + right] = thing
        return SmallFrame(np.ascontiguousarray(picture), number * STEP, (320, 240))

    looks = begin(shown(0, 0), box, box, 1.0).looks
    guesses = [Similarity(), Similarity(shift=(29.0, 1.0))]
    found = looks.again(shown(30, 1), guesses, 1.7)
    assert found is not None
    assert np.allclose(found[0].point(92, 92), (122, 92), atol=0.5)
    assert len(found[1]) > 0.5 * len(looks.points)
    assert looks.again(shown(30, 1), guesses[:1], 1.7) is None


def test_points_are_followed_from_several_guesses_as_from_each() -> None:
    first, later = textured(0), textured(8)
    points = begin(first, BOXES[0], BOXES[0], 0.8).points
    places = [Similarity(shift=shift).of(points.home) for shift in ((23.0, 1.0), (0.0, 0.0), (26.0, -2.0))]
    together = points.from_home(first.grey, later.grey, places)
    alone = [points.from_home(first.grey, later.grey, [place])[0] for place in places]
    assert [len(found) for found in together] == [len(found) for found in alone]
    assert all(np.array_equal(one.now, two.now) for one, two in zip(together, alone, strict=True))
    assert np.allclose((together[0].now - together[0].home).mean(0), (24, 0), atol=0.3)
    assert len(together[0]) > 0.5 * len(points)
