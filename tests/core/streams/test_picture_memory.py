"""Pictures wait for their answer within bounds, and what is gone is told with the remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from egm_core.streams.picture_memory import PictureMemory

SECOND = 10**9


def picture(size: int = 100) -> Any:
    return SimpleNamespace(data=bytes(size))


def test_ten_seconds_of_a_large_camera_fit_once_the_older_ones_are_small() -> None:
    memory = PictureMemory(10.0, 10_000, lambda message: picture(len(message.data) // 20))
    for number in range(400):
        memory.keep(number * SECOND // 30, picture(400))
        assert memory.bytes <= 10_000
    newest = 399 * SECOND // 30
    assert len(memory.at(newest).data) == 400
    assert len(memory.at(newest - 10 * SECOND).data) == 20
    assert memory.at(newest - 11 * SECOND) is None
    assert "raise buffer (10 s)" in memory.fate(newest - 11 * SECOND)
    assert "never came" in memory.fate(newest - 5 * SECOND - 1)


def test_what_the_memory_has_no_room_for_goes_oldest_first_and_is_told() -> None:
    memory = PictureMemory(10.0, 1000)
    for number in range(20):
        memory.keep(number * SECOND // 10, picture(100))
    assert (len(memory), memory.bytes) == (10, 1000)
    assert memory.at(19 * SECOND // 10) is not None
    assert memory.at(9 * SECOND // 10) is None
    assert "10 pictures fill 0 MB; raise memory" in memory.fate(9 * SECOND // 10)
    memory.keep(2 * SECOND, picture(5000))
    assert (len(memory), memory.bytes) == (1, 5000)


def test_one_of_the_same_moment_replaces_and_useless_ones_are_left_out() -> None:
    memory = PictureMemory(10.0, 1000, lambda message: None)
    memory.keep(5, picture(100))
    other = picture(70)
    memory.keep(5, other)
    assert (len(memory), memory.bytes, memory.at(5)) == (1, 70, other)
    for number in range(6, 12):
        memory.keep(number, picture(100))
    assert (len(memory), memory.bytes) == (2, 200)
    memory.clear()
    assert memory.bytes == len(memory) == 0
    assert memory.fate(5) == "no picture has come"
    for number in range(6):
        memory.keep(number, picture(100))
    assert (len(memory), memory.bytes) == (2, 200)


def test_the_newest_stays_as_it_came_however_large_it_is() -> None:
    memory = PictureMemory(10.0, 1000, lambda message: picture(1))
    memory.keep(1, picture(900))
    assert len(memory.at(1).data) == 900
    memory.keep(2, picture(900))
    assert [len(memory.at(moment).data) for moment in (1, 2)] == [1, 900]


def test_want_of_memory_is_no_reason_for_what_a_new_era_lacks() -> None:
    memory = PictureMemory(10.0, 300)
    for number in range(9):
        memory.keep(number * SECOND, picture(100))
    assert memory.crowded_out(5 * SECOND)
    memory.clear()
    memory.keep(SECOND, picture(100))
    assert "never came" in memory.fate(SECOND - 1)


def test_the_rate_is_pictures_a_second() -> None:
    memory = PictureMemory(10.0)
    assert memory.rate == 0.0
    for number in range(5):
        memory.keep(number * SECOND // 2, picture())
    assert memory.rate == 2.0
