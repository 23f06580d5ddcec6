"""A camera's place for its newest image."""

from __future__ import annotations

from egm_ros.grounding.asking.frames import Frame, Slot


def frame(camera: str, number: int = 0) -> Frame:
    return Frame(number, float(number), camera)


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
