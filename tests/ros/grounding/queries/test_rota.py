"""Whose turn it is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from egm_ros.grounding.queries.mailbox import Frame
from egm_ros.grounding.queries.rota import Rota


def frame(camera: str, number: int = 0) -> Frame:
    return Frame(number, float(number), camera)


def test_the_camera_served_longest_ago_goes_first_with_its_newest_frame():
    rota = Rota(["front", "left"])
    for number in range(5):
        rota.put(frame("front", number))
    rota.put(frame("left"))
    turns = []
    for number in range(6):
        camera = rota.waiting()[0]
        taken = rota.take(camera)
        turns.append((camera, taken.message))
        rota.done(camera)
        rota.put(frame(camera, 10 + number))
    assert [camera for camera, _ in turns] == ["front", "left"] * 3
    assert turns[0] == ("front", 4)


def test_a_camera_has_one_image_under_way_at_most():
    rota = Rota(["front", "left"])
    rota.put(frame("front"))
    assert rota.take("front").camera == "front"
    rota.put(frame("front", 1))
    assert rota.waiting() == []
    rota.put(frame("left"))
    assert rota.waiting() == ["left"]
    rota.done("front")
    assert rota.waiting() == ["left", "front"]


def test_an_empty_mailbox_begins_no_turn():
    rota = Rota([""])
    assert rota.take("") is None
    rota.put(frame(""))
    assert rota.waiting() == [""]


def test_clear_forgets_frames_and_counts_but_not_what_is_under_way():
    rota = Rota(["front", "left"])
    rota.put(frame("front"))
    rota.take("front")
    rota.put(frame("left"))
    rota.clear()
    assert rota.waiting() == []
    assert rota.mailboxes["front"].newest is None
    rota.put(frame("front"))
    assert rota.waiting() == []


@pytest.mark.parametrize("rates", [(30.0, 10.0, 3.0), (60.0, 60.0, 0.5), (1.0, 1.0, 1.0)])
def test_a_fast_camera_takes_nothing_from_a_slow_one(rates):
    """An engine of 4 queries a second and three cameras, in simulated time: max-min fair shares."""
    random = np.random.default_rng(0)
    names = ["front", "left", "rear"]
    rota = Rota(names)
    arrivals = sorted((when, camera) for camera, rate in zip(names, rates, strict=True)
                      for when in random.uniform(0, 1 / rate) + np.arange(int(200 * rate)) / rate)
    served: Counter[str] = Counter()
    free_at = 0.0
    for when, camera in arrivals:
        while free_at <= when and (waiting := rota.waiting()):
            rota.take(waiting[0])
            rota.done(waiting[0])
            served[waiting[0]] += 1
            free_at += 0.25
        free_at = max(free_at, when)
        rota.put(frame(camera))
    shares = fair(rates, 4.0)
    for camera, share in zip(names, shares, strict=True):
        assert served[camera] / 200.0 == pytest.approx(share, rel=0.1)


def fair(rates: tuple[float, ...], capacity: float) -> list[float]:
    """Share a capacity so that nobody gets more than it has, and what one leaves is the others'."""
    shares: dict[int, float] = {}
    for place, number in enumerate(sorted(range(len(rates)), key=rates.__getitem__)):
        shares[number] = min(rates[number], (capacity - sum(shares.values())) / (len(rates) - place))
    return [shares[number] for number in range(len(rates))]
