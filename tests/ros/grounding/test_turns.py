"""Whose turn it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from egm_ros.grounding.turns import Frame, Slot, Turns


def frame(camera: str, number: int = 0) -> Frame:
    return Frame(number, float(number), camera)


def test_the_camera_served_longest_ago_goes_first_with_its_newest_frame():
    turns = Turns(["front", "left"])
    for number in range(5):
        turns.put(frame("front", number))
    turns.put(frame("left"))
    taken_in_turn = []
    for number in range(6):
        camera = turns.waiting()[0]
        taken = turns.take(camera)
        taken_in_turn.append((camera, taken.message))
        turns.done(camera)
        turns.put(frame(camera, 10 + number))
    assert [camera for camera, _ in taken_in_turn] == ["front", "left"] * 3
    assert taken_in_turn[0] == ("front", 4)


def test_a_camera_has_one_image_under_way_at_most():
    turns = Turns(["front", "left"])
    turns.put(frame("front"))
    assert turns.take("front").camera == "front"
    turns.put(frame("front", 1))
    assert turns.waiting() == []
    turns.put(frame("left"))
    assert turns.waiting() == ["left"]
    turns.done("front")
    assert turns.waiting() == ["left", "front"]


def test_an_empty_mailbox_begins_no_turn():
    turns = Turns([""])
    assert turns.take("") is None
    turns.put(frame(""))
    assert turns.waiting() == [""]


def test_clear_forgets_frames_and_counts_but_not_what_is_under_way():
    turns = Turns(["front", "left"])
    turns.put(frame("front"))
    turns.take("front")
    turns.put(frame("left"))
    turns.clear()
    assert turns.waiting() == []
    assert turns.slots["front"].newest is None
    turns.put(frame("front"))
    assert turns.waiting() == []


@pytest.mark.parametrize("rates", [(30.0, 10.0, 3.0), (60.0, 60.0, 0.5), (1.0, 1.0, 1.0)])
def test_a_fast_camera_takes_nothing_from_a_slow_one(rates):
    """An engine of 4 queries a second and three cameras, in simulated time: max-min fair shares."""
    random = np.random.default_rng(0)
    names = ["front", "left", "rear"]
    turns = Turns(names)
    arrivals = sorted(
        (when, camera)
        for camera, rate in zip(names, rates, strict=True)
        for when in random.uniform(0, 1 / rate) + np.arange(int(200 * rate)) / rate
    )
    served: Counter[str] = Counter()
    free_at = 0.0
    for when, camera in arrivals:
        while free_at <= when and (waiting := turns.waiting()):
            turns.take(waiting[0])
            turns.done(waiting[0])
            served[waiting[0]] += 1
            free_at += 0.25
        free_at = max(free_at, when)
        turns.put(frame(camera))
    shares = fair(rates, 4.0)
    for camera, share in zip(names, shares, strict=True):
        assert served[camera] / 200.0 == pytest.approx(share, rel=0.1)


def fair(rates: tuple[float, ...], capacity: float) -> list[float]:
    """Share a capacity so that nobody gets more than it has, and what one leaves is the others'."""
    shares: dict[int, float] = {}
    for place, number in enumerate(sorted(range(len(rates)), key=rates.__getitem__)):
        shares[number] = min(rates[number], (capacity - sum(shares.values())) / (len(rates) - place))
    return [shares[number] for number in range(len(rates))]


def test_the_newest_image_wins_and_the_rest_is_counted():
    slot = Slot()
    for number in range(5):
        slot.put(frame("", number))
    assert slot.take().message == slot.newest.message == 4
    assert (slot.received, slot.dropped) == (5, 4)
    assert slot.take() is None and slot.waiting is None


def test_a_taken_image_is_not_dropped():
    slot = Slot()
    for number in range(3):
        slot.put(frame("", number))
        assert slot.take().message == number
    assert (slot.received, slot.dropped) == (3, 0)
