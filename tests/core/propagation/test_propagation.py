"""Propagation on pictures whose motion is known: a textured object, its ground, something that passes before it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egm_core.boxes import Box, iou
from egm_core.propagation import FrameBuffer, Limits, SmallFrame, begin, propagate, shrink
from egm_core.propagation.similarity import Similarity, fit
from egm_core.propagation.track import scaled

SIZE = (320, 240)
BOX: Box = (120.0, 80.0, 180.0, 140.0)
STEP = 50_000_000


def texture(seed: int, width: int, height: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4 + 1, width // 4 + 1), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


GROUND = cv2.resize(texture(1, *SIZE), SIZE)
OBJECT = texture(2, 60, 60)


def scene(motion: Similarity, number: int, occluder: float | None = None) -> SmallFrame:
    """The object moved by a similarity over still ground; an occluder of its own texture at x."""
    whole = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    whole[80:140, 120:180] = OBJECT
    mask = np.zeros_like(whole)
    mask[80:140, 120:180] = 255
    matrix = np.hstack([motion.matrix, np.array([motion.shift]).T])
    whole, mask = cv2.warpAffine(whole, matrix, SIZE), cv2.warpAffine(mask, matrix, SIZE)
    grey = np.where(mask > 127, whole, GROUND)
    if occluder is not None:
        left, right = int(max(0, occluder)), int(min(SIZE[0], occluder + 45))
        grey[:, left:right] = texture(3, 45, SIZE[1])[:, : max(0, right - left)]
    return SmallFrame(np.ascontiguousarray(grey), number * STEP, SIZE)


def sliding(steps: int, speed: float, scale: float = 1.0) -> list[Similarity]:
    """Motions about the object's middle: to the right, growing."""
    found = []
    for i in range(steps + 1):
        size = scale**i
        found.append(Similarity(size, 0.0, (150 - 150 * size + speed * i, 110 - 110 * size)))
    return found


def test_both_boxes_go_with_the_object_by_one_motion() -> None:
    motions = sliding(14, 2.5, 1.01)
    frames = [scene(motion, i) for i, motion in enumerate(motions)]
    amodal = (120.0, 80.0, 180.0, 170.0)
    track = propagate(begin(frames[0], BOX, amodal, 0.8), frames[1:])
    assert not track.lost
    assert iou(track.visible, motions[-1].box(BOX)) > 0.93
    assert track.amodal is not None
    assert track.amodal[3] - track.visible[3] == pytest.approx(30 * motions[-1].scale, abs=1.5)
    assert iou(BOX, motions[-1].box(BOX)) < 0.45
    assert track.age == pytest.approx(0.7)


def test_the_score_falls_with_age_and_support() -> None:
    frames = [scene(motion, i) for i, motion in enumerate(sliding(10, 0.0))]
    track = begin(frames[0], BOX, None, 0.8)
    assert track.score == 0.8
    scores = []
    for frame in frames[1:]:
        track = propagate(track, [frame], Limits(half_life=0.5))
        scores.append(track.score)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == pytest.approx(0.4 * (0.3 + 0.7 * track.support))
    assert track.amodal is None


def test_the_defaults_leave_a_box_that_is_seen_a_score_to_go_by_until_it_ends() -> None:
    """After an engine of 5 s boxes are 5 to 10 s old; a bound on scores must not drop them all."""
    start, *later = (scene(Similarity(), 10 * number) for number in range(26))
    track = propagate(begin(start, BOX, None, 0.8), later[:24])
    assert track.age == 12.0
    assert not track.lost
    assert track.support > 0.9
    assert track.score > 0.37
    assert propagate(track, later[24:]).lost == "too_old"


def test_what_passes_in_front_does_not_take_the_box_along() -> None:
    motions = sliding(24, 1.0)
    frames = [scene(motion, i, 20.0 + 9.0 * i) for i, motion in enumerate(motions)]
    track = begin(frames[0], BOX, BOX, 1.0)
    supports = []
    for frame in frames[1:]:
        track = propagate(track, [frame])
        supports.append(track.support)
    assert min(supports) < 0.4
    assert not track.lost
    assert iou(track.visible, motions[-1].box(BOX)) > 0.75


def test_an_object_is_found_again_at_once_after_all_of_it_was_hidden() -> None:
    """It went on a little while a wall was before it, so that no point was left to follow."""
    wall = SmallFrame(np.full_like(GROUND, 90), 0, SIZE)
    start, back = scene(Similarity(), 0), Similarity(shift=(9.0, -4.0))
    hidden = [replace(wall, stamp=i * STEP) for i in range(1, 20)]
    track = propagate(begin(start, BOX, BOX, 1.0), hidden)
    assert track.support == 0.0
    track = propagate(track, [scene(back, 20)])
    assert track.support > 0.6
    assert track.score > 0.6
    assert iou(track.visible, back.box(BOX)) > 0.9


def speckled(number: int, left: int | None) -> SmallFrame:
    """A red object at x = left, or none, on grey; no pixel's noise lasts from one picture to the next."""
    noise = np.random.default_rng(number).integers(0, 9, (SIZE[1], SIZE[0], 3))
    picture = np.full((SIZE[1], SIZE[0], 3), 90)
    if left is not None:
        picture[80:140, left : left + 60] = [110, 20, 25]
    return shrink(np.asarray(picture + noise, np.uint8), number * STEP)


def test_an_object_on_which_nothing_can_be_followed_is_held_by_its_colours_until_it_goes() -> None:
    track = propagate(begin(speckled(0, 120), BOX, BOX, 0.8), [speckled(i, 120) for i in range(1, 100)])
    assert not track.lost
    assert track.support < 0.15
    assert 0.1 < track.score < 0.4
    assert iou(track.visible, BOX) > 0.9
    gone = propagate(track, [speckled(i, None) for i in range(100, 131)])
    assert gone.lost == "no_support"


def test_an_object_that_vanishes_is_lost_and_stays_lost() -> None:
    start = scene(Similarity(), 0)
    bare = [SmallFrame(GROUND, i * STEP, SIZE) for i in range(1, 40)]
    track = propagate(begin(start, BOX, BOX, 1.0), bare, Limits(max_age=10.0, coast=0.0))
    assert track.lost == "no_support"
    assert track.score == 0.0
    assert propagate(track, [start]) is track


def test_a_track_ends_by_age_by_leaving_and_by_another_size() -> None:
    frames = [scene(motion, i) for i, motion in enumerate(sliding(30, 7.0))]
    assert propagate(begin(frames[0], BOX, BOX, 1.0), frames[1:9], Limits(max_age=0.33)).lost == "too_old"
    assert propagate(begin(frames[0], BOX, BOX, 1.0), frames[1:]).lost == "left_picture"
    leaving = [street(i, 120.0 + 7.15 * i) for i in range(28)]
    assert propagate(begin(leaving[0], BOX, BOX, 1.0), leaving[1:]).lost == "left_picture"
    other = SmallFrame(GROUND[:120], STEP, (320, 120))
    assert propagate(begin(frames[0], BOX, BOX, 1.0), [other]).lost == "another_size"


def street(number: int, left: float, post: float = -99.0, width: int = 45, top: int = 0) -> SmallFrame:
    """A dark object of 60 x 60 at x = left, y = 80 over light ground, and a grey post in front of it, from y = top."""
    grey = np.asarray(170 + 0.25 * GROUND, np.uint8)
    pattern = np.asarray(20 + 0.2 * OBJECT, np.uint8)
    x0, x1 = (round(min(max(0.0, edge), SIZE[0])) for edge in (left, left + 60))
    grey[80:140, x0:x1] = pattern[:, x0 - round(left) : x1 - round(left)]
    grey[top:, round(max(0.0, post)) : round(max(0.0, post + width))] = 115
    return SmallFrame(grey, number * STEP, SIZE)


def painted(number: int, post: float) -> SmallFrame:
    """The object of `street`, red, and a green post as bright as its middle, from x = post to the right."""
    picture = street(number, 120.0).grey[..., None].repeat(3, 2)
    picture[80:140, 120:180] = [110, 20, 25]
    picture[80:140, 120:180] += OBJECT[..., None] // 16
    picture[:, round(post) : round(post) + 45] = [10, 72, 20]
    return shrink(picture, number * STEP)


def test_a_side_ends_at_what_has_its_brightness_but_another_color() -> None:
    frames = [painted(i, 190.0 - 4.0 * i) for i in range(11)]
    red, green = frames[0].grey[110, 130], frames[0].grey[110, 200]
    assert abs(int(red) - int(green)) < 12
    half = (120.0, 80.0, 150.0, 140.0)
    track = propagate(begin(frames[0], BOX, BOX, 1.0), frames[1:])
    assert iou(track.visible, half) > 0.9
    dull = [SmallFrame(frame.grey, frame.stamp, frame.size) for frame in frames]
    assert iou(propagate(begin(dull[0], BOX, BOX, 1.0), dull[1:]).visible, half) < 0.6
    assert propagate(begin(frames[0], BOX, BOX, 1.0), dull[1:2]).lost == "another_size"


def test_a_side_that_something_comes_before_ends_there_and_comes_back() -> None:
    """The post covers the object's right half at last; then it goes away again."""
    posts = [190.0 - 4.0 * i for i in range(11)]
    frames = [street(i, 120.0, post) for i, post in enumerate([*posts, *posts[::-1]])]
    track = propagate(begin(frames[0], BOX, BOX, 1.0), frames[1:11])
    assert iou(track.visible, (120.0, 80.0, 150.0, 140.0)) > 0.9
    assert track.amodal == pytest.approx(BOX, abs=1.0)
    track = propagate(track, frames[11:])
    assert iou(track.visible, BOX) > 0.95


def test_what_comes_before_the_lower_side_cuts_that() -> None:
    frames = [street(i, 120.0 + i, 0.0, 320, 200 - 9 * i) for i in range(11)]
    track = propagate(begin(frames[0], BOX, BOX, 1.0), frames[1:])
    assert iou(track.visible, (130.0, 80.0, 190.0, 110.0)) > 0.9
    assert track.amodal == pytest.approx((130.0, 80.0, 190.0, 140.0), abs=1.5)


def test_an_object_that_comes_out_from_behind_something_is_seen_whole() -> None:
    """Half of it stands behind a post; it goes left until all of it can be seen, but no further than the amodal box."""
    frames = [street(i, 120.0 - 3.0 * i, 150.0, 60) for i in range(16)]
    track = begin(frames[0], (120.0, 80.0, 150.0, 140.0), BOX, 1.0)
    half = propagate(track, frames[1:6])
    assert iou(half.visible, (105.0, 80.0, 150.0, 140.0)) > 0.9
    whole = propagate(half, frames[6:])
    assert iou(whole.visible, (75.0, 80.0, 135.0, 140.0)) > 0.93
    assert whole.amodal is not None
    assert iou(whole.visible, whole.amodal) > 0.98


def test_a_box_cut_by_the_picture_s_edge_stays_there_while_more_comes_in() -> None:
    frames = [street(i, -30.0 + 2.0 * i) for i in range(11)]
    box = (0.0, 80.0, 30.0, 140.0)
    track = propagate(begin(frames[0], box, box, 1.0), frames[1:])
    assert track.visible == pytest.approx((0.0, 80.0, 50.0, 140.0), abs=1.5)
    assert track.amodal == track.visible


def test_an_object_like_its_ground_is_neither_cut_nor_enlarged() -> None:
    """Nothing tells the object from what is around it: the visible box goes with it, as it is."""
    frames = [scene(motion, i) for i, motion in enumerate(sliding(14, 2.5))]
    cut, whole = (120.0, 80.0, 180.0, 130.0), (110.0, 70.0, 200.0, 170.0)
    track = propagate(begin(frames[0], cut, whole, 1.0), frames[1:])
    assert track.visible == pytest.approx((155.0, 80.0, 215.0, 130.0), abs=1.0)


@pytest.mark.parametrize("box", [BOX, (400.0, 10.0, 500.0, 60.0), (10.0, 10.0, 10.0, 40.0), (-50.0, -50.0, -1.0, -1.0)])
def test_nothing_to_follow_is_lost_at_once(box: Box) -> None:
    blank = SmallFrame(np.full((240, 320), 90, np.uint8), 0, SIZE)
    assert begin(blank, box, box, 0.5).lost == "no_support"


@settings(deadline=None, max_examples=40)
@given(st.floats(0.7, 1.4), st.floats(-0.5, 0.5), st.floats(-60, 60), st.floats(-60, 60), st.integers(0, 2**16))
def test_a_similarity_is_found_among_outliers(scale: float, turn: float, x: float, y: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.uniform(0, 200, (30, 2)).astype(np.float32)
    truth = Similarity(scale, turn, (x, y))
    after = truth.of(before)
    after[:9] += rng.uniform(15, 40, (9, 2)).astype(np.float32)
    found = fit(before, after, 1.0)
    assert found is not None
    assert found[0].residuals(before, truth.of(before)).max() < 0.5
    assert not found[1][:9].any()
    np.testing.assert_allclose(truth.inverse(truth.of(before)), before, atol=0.01)


def test_few_points_give_the_shift_that_most_agree_with() -> None:
    before = np.array([[0, 0], [10, 0], [0, 10], [5, 5]], np.float32)
    after = before + np.array([3, -2], np.float32)
    after[3] += 30
    found = fit(before, after, 1.0)
    assert found is not None
    assert found[0].shift == pytest.approx((3.0, -2.0))
    assert found[0].scale == 1.0
    assert found[1].tolist() == [True, True, True, False]
    assert fit(before[:0], after[:0], 1.0) is None


def test_the_buffer_is_bounded_in_time_and_bytes_and_starts_anew_with_another_size() -> None:
    grey = np.zeros((10, 20), np.uint8)
    buffer = FrameBuffer(1.0, limit=5 * grey.nbytes)
    for number in range(50):
        assert buffer.add(SmallFrame(grey, number * STEP, (20, 10)))
    assert len(buffer) == 5
    assert buffer.bytes == 5 * grey.nbytes
    assert not buffer.add(SmallFrame(grey, 3 * STEP, (20, 10)))
    assert buffer.at(49 * STEP) is not None
    near = buffer.near(46 * STEP + 7, 0.02)
    assert near is not None
    assert near.stamp == 46 * STEP
    assert buffer.near(0, 0.02) is None
    assert [frame.stamp // STEP for frame in buffer.after(45 * STEP, 2, 9.0)] == [47, 49]
    assert [frame.stamp // STEP for frame in buffer.after(45 * STEP, 1, 0.1)] == [47, 49]
    assert [frame.stamp // STEP for frame in buffer.after(45 * STEP, 1, 0.01)] == [46, 47, 48, 49]
    buffer.add(SmallFrame(grey, 80 * STEP, (20, 10)))
    assert len(buffer) == 1
    buffer.add(SmallFrame(grey[:5], 81 * STEP, (20, 5)))
    assert len(buffer) == 1


@pytest.mark.parametrize("size", [(720, 1280), (1080, 1920), (541, 971), (480, 640)])
def test_every_pixel_counts_in_a_small_frame(size: tuple[int, int]) -> None:
    """Noise averages out; a picture whose pixels were skipped would keep more of it."""
    noise = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
    small = shrink(noise, 0, 480)
    assert small.grey.shape == (max(1, round(size[0] * 480 / size[1])), 480)
    assert small.size == size[::-1]
    assert small.grey.std() < 0.65 * cv2.cvtColor(noise, cv2.COLOR_RGB2GRAY).std()
    assert abs(small.grey.mean() - cv2.cvtColor(noise, cv2.COLOR_RGB2GRAY).mean()) < 4


def test_a_small_frame_keeps_the_camera_s_size() -> None:
    frame = shrink(np.full((720, 1280, 3), 50, np.uint8), 7, 480)
    assert frame.grey.shape == (270, 480)
    assert frame.size == (1280, 720)
    box = (100.0, 50.0, 300.0, 400.0)
    assert frame.outwards(frame.inwards(box)) == pytest.approx(box)
    with pytest.raises(ValueError, match="is no picture"):
        shrink(np.zeros((0, 3, 3), np.uint8), 0)
    assert scaled(box, 0.5) == (150.0, 137.5, 250.0, 312.5)
