"""Whose turn it is, between targets and cameras."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from boards import CAMERAS, CHANGES, changed
from hypothesis import given
from hypothesis import strategies as st

from egm_core.targets.board import Board, Place, Target, places
from egm_core.targets.turns import Turns


def place(camera: str = "", number: int = 1) -> Place:
    return Place(camera, Target(0, number, f"thing {number}"))


def serving(*served: Place, images: int = 1) -> Turns:
    turns = Turns().serving(served)
    for camera in dict.fromkeys(entry.camera for entry in served):
        for _ in range(images):
            turns = turns.came(camera)
    return turns


def test_the_place_that_was_served_longest_ago_goes_first():
    front, left = place("front"), place("left")
    turns, taken = serving(front, left), []
    for _ in range(6):
        chosen = turns.able()[0]
        turns = turns.begun(chosen).ended(chosen).came(chosen.camera)
        taken.append(chosen.camera)
    assert taken == ["front", "left"] * 3


def test_a_camera_has_one_image_under_way_at_most():
    front, left = place("front"), place("left")
    turns = Turns().serving([front, left]).came("front").begun(front).came("front")
    assert turns.able() == ()
    turns = turns.came("left")
    assert turns.able() == (left,)
    assert turns.ended(front).able() == (left, front)


def test_targets_of_a_camera_are_asked_together_about_the_image_under_way():
    mug, box = place(number=1), place(number=2)
    turns = serving(mug, box)
    turns = turns.begun(mug).came("")
    assert turns.able() == (box,), "the box may be looked for in the image under way"
    turns = turns.begun(box)
    assert turns.under_way == {mug: 1, box: 1}
    turns = turns.ended(mug)
    assert turns.able() == (), "the newer image waits until nothing of the camera is under way"
    assert turns.ended(box).able() == (mug, box)


def test_no_image_begins_no_turn():
    assert serving(place(), images=0).able() == ()
    assert serving(place()).able() == (place(),)


def test_a_slow_camera_s_image_is_for_every_target():
    mug, box = place(number=1), place(number=2)
    turns = serving(mug, box).begun(mug).ended(mug)
    assert turns.able() == (box,)
    assert turns.begun(box).ended(box).able() == ()


def test_a_new_target_waits_for_an_image_unless_one_waits_for_it():
    mug, box = place(number=1), place(number=2)
    waits = serving(mug)
    assert waits.serving([box]).able() == (box,)
    taken = waits.begun(mug).ended(mug).serving([box])
    assert taken.able() == ()
    assert taken.came("").able() == (box,)


def test_cleared_forgets_images_but_not_what_is_under_way():
    front, left = place("front"), place("left")
    turns = serving(front, left).begun(front).cleared()
    assert turns.able() == ()
    assert turns.came("front").able() == ()
    assert turns.came("front").ended(front).able() == (front,)


def test_nobody_is_asked_about_an_image_of_before_time_went_back():
    mug, box = place(number=1), place(number=2)
    turns = serving(mug, box).begun(mug).came("", anew=True)
    assert turns.able() == ()
    assert turns.ended(mug).able() == (box, mug)


def test_what_replaces_a_target_takes_over_its_turn():
    mug, box, can = place(number=1), place(number=2), place(number=3)
    turns = serving(mug, box).begun(mug).ended(mug).came("")
    assert turns.serving([mug, can]).came("").able() == (can, mug)
    assert turns.serving([can, box]).came("").able() == (box, can)


@pytest.mark.parametrize("rates", [(30.0, 10.0, 3.0), (60.0, 60.0, 0.5), (1.0, 1.0, 1.0)])
def test_a_fast_camera_takes_nothing_from_a_slow_one(rates):
    """An engine of 4 queries a second and three cameras, in simulated time: max-min fair shares."""
    random = np.random.default_rng(0)
    turns = Turns().serving([place(name) for name in CAMERAS])
    arrivals = sorted(
        (when, camera)
        for camera, rate in zip(CAMERAS, rates, strict=True)
        for when in random.uniform(0, 1 / rate) + np.arange(int(200 * rate)) / rate
    )
    served: Counter[str] = Counter()
    free_at = 0.0
    for when, camera in arrivals:
        while free_at <= when and (waiting := turns.able()):
            turns = turns.begun(waiting[0]).ended(waiting[0])
            served[waiting[0].camera] += 1
            free_at += 0.25
        free_at = max(free_at, when)
        turns = turns.came(camera)
    shares = fair(rates, 4.0)
    for camera, share in zip(CAMERAS, shares, strict=True):
        assert served[camera] / 200.0 == pytest.approx(share, rel=0.1)


def fair(rates: tuple[float, ...], capacity: float) -> list[float]:
    """Share a capacity so that nobody gets more than it has, and what one leaves is the others'."""
    shares: dict[int, float] = {}
    for rank, number in enumerate(sorted(range(len(rates)), key=rates.__getitem__)):
        shares[number] = min(rates[number], (capacity - sum(shares.values())) / (len(rates) - rank))
    return [shares[number] for number in range(len(rates))]


@given(st.lists(st.sampled_from(CAMERAS), min_size=1, max_size=15), st.integers(1, 6), st.integers(0, 400))
def test_places_that_always_have_images_get_equal_shares(cameras, batch, rounds):
    """Each camera has as many targets as it is named; as many queries at a time as `batch`, of which the first ends."""
    served = [place(camera, number) for number, camera in enumerate(cameras)]
    turns, counts, running = serving(*served), Counter(dict.fromkeys(served, 0)), []
    for _ in range(rounds):
        while len(running) < batch and (able := turns.able()):
            turns = turns.begun(able[0])
            running.append(able[0])
            counts[able[0]] += 1
        turns = turns.ended(running.pop(0))
        for camera in CAMERAS:
            turns = turns.came(camera)
    # Within one camera nobody is a turn ahead; a camera of many targets needs longer for its image.
    for camera in set(cameras):
        own = [counts[entry] for entry in served if entry.camera == camera]
        assert max(own) - min(own) <= 1
    if batch == 1:
        assert max(counts.values()) - min(counts.values()) <= 1


STEPS = st.lists(st.one_of(CHANGES, st.just(("serve",)), st.just(("came",))), min_size=20, max_size=120)


@given(STEPS, st.integers(1, 3))
def test_whatever_changes_no_standing_target_starves_and_images_keep_their_order(steps, batch):
    """One target stands all the time, under an epoch that never ends, while the others change at will."""
    standing, board = Place("front", Target(-1, 0, "the car")), Board()
    turns, running, waited, most = Turns(), [], 0, 0
    begun: dict[str, int] = dict.fromkeys(CAMERAS, 0)
    for step in steps:
        if step[0] == "came":
            for camera in CAMERAS:
                turns = turns.came(camera, anew=False)
        elif step[0] == "serve":
            while len(running) < batch and (able := turns.able()):
                chosen = able[0]
                assert chosen in turns.places
                turns = turns.begun(chosen)
                number = turns.under_way[chosen]
                assert begun[chosen.camera] <= number <= turns.images[chosen.camera]
                begun[chosen.camera] = number
                running.append(chosen)
                waited = 0 if chosen == standing or standing not in able else waited + 1
            assert len({turns.under_way[entry] for entry in running if entry.camera == "front"}) <= 1
            if running:
                turns = turns.ended(running.pop(0))
        else:
            board = changed(board, step)
            turns = turns.serving([standing, *places(board, CAMERAS)])
        most = max(most, waited)
    assert most <= 1 + 4 * len(CAMERAS)


@pytest.mark.parametrize("camera", ["front", "left"])
@pytest.mark.parametrize("goes", [False, True])
def test_one_that_changes_before_every_turn_takes_at_most_half_of_them(camera, goes):
    """The other one stands; with `goes` the changing one is away between its turns, and comes as an added line."""
    standing = place("front", 0)
    turns, served = Turns().serving([standing]), []
    for number in range(1, 60):
        if goes:
            turns = turns.serving([standing])
        turns = turns.serving([standing, place(camera, number)]).came("front").came("left")
        chosen = turns.able()[0]
        turns = turns.begun(chosen).ended(chosen)
        served.append(chosen)
    assert served.count(standing) >= 29
    assert goes or served.count(standing) <= 30, "it is not starved itself"
