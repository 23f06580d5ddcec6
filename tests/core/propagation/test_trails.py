"""Which objects of a new answer are those of before: like ones that change places, one that goes, one that comes."""

from __future__ import annotations

from egm_core.boxes import Box
from egm_core.propagation.trails import Spot, Trails, sameness

SECOND = 10**9


def spot(left: float, top: float = 50.0, line: str = "every cup", number: str = "3", size: float = 40.0) -> Spot:
    box: Box = (left, top, left + size, top + size)
    return Spot(number, line, box, (left, top, left + size, top + size + 10))


def walked(trails: Trails, names: list[str], places: dict[int, list[float]]) -> None:
    """Note where objects are in several pictures, by their left edges."""
    for moment, lefts in places.items():
        trails.note(moment * SECOND, {name: spot(left) for name, left in zip(names, lefts, strict=True)})


def test_like_objects_that_change_places_keep_their_ids_whatever_the_order_of_the_answer() -> None:
    trails = Trails(10.0)
    names = trails.names(0, [spot(100), spot(300)], 0.05)
    assert names == ["3:t1", "3:t2"]
    walked(trails, names, {0: [100, 300], 1: [180, 215], 2: [300, 100]})
    assert trails.names(2 * SECOND, [spot(103), spot(296)], 0.05) == ["3:t2", "3:t1"]
    # Close to each other, either overlaps with both: what counts is the overlap in all.
    assert trails.names(1 * SECOND, [spot(212), spot(185)], 0.05) == ["3:t2", "3:t1"]
    assert trails.names(1 * SECOND, [spot(197), spot(222)], 0.05) == ["3:t1", "3:t2"]


def test_boxes_are_compared_where_they_were_in_the_answer_s_picture() -> None:
    trails = Trails(10.0)
    walked(trails, trails.names(0, [spot(100)], 0.05), {0: [100], 1: [300]})
    assert trails.names(0, [spot(102)], 0.05) == ["3:t1"]
    assert trails.names(SECOND, [spot(102)], 0.05) == ["3:t2"]
    assert trails.names(SECOND + SECOND // 25, [spot(290)], 0.05) == ["3:t1"]
    assert trails.names(SECOND + SECOND // 10, [spot(290)], 0.05) == ["3:t3"]


def test_one_that_vanishes_and_one_that_enters_change_no_id_of_the_others() -> None:
    trails = Trails(10.0)
    names = trails.names(0, [spot(100), spot(200), spot(300)], 0.05)
    walked(trails, names, {0: [100, 200, 300], 1: [110, 210, 310]})
    assert trails.names(SECOND, [spot(308), spot(112)], 0.05) == ["3:t3", "3:t1"]
    assert trails.names(SECOND, [], 0.05) == []
    assert trails.names(SECOND, [spot(400), spot(112), spot(308)], 0.05) == ["3:t4", "3:t1", "3:t3"]
    # What has gone from newer pictures is known in older ones still.
    walked(trails, ["3:t1", "3:t3"], {2: [120, 320]})
    assert trails.names(2 * SECOND, [spot(220)], 0.05) == ["3:t5"]
    assert trails.names(SECOND, [spot(210)], 0.05) == ["3:t2"]


def test_a_box_that_shows_more_or_less_of_an_object_is_the_same_one_s() -> None:
    whole, part = Spot("1", "the mug", (0, 0, 100, 100)), Spot("1", "the mug", (0, 60, 50, 100))
    assert sameness(whole, part) == 0.2
    assert sameness(whole, Spot("1", "the mug", (0, 60, 10, 70))) == 0.0
    assert sameness(whole, Spot("1", "the mug", (80, 0, 180, 100))) == 0.0
    hidden = Spot("1", "the mug", (0, 60, 50, 100), (0, 0, 100, 100))
    assert sameness(Spot("1", "the mug", (50, 0, 100, 60), (0, 0, 100, 98)), hidden) == 0.98
    nothing = Spot("1", "the mug", (5, 5, 5, 5))
    assert sameness(nothing, nothing) == sameness(whole, nothing) == 0.0


def test_another_line_or_number_is_another_object_in_the_same_place() -> None:
    trails = Trails(10.0)
    walked(trails, trails.names(0, [spot(100)], 0.05), {0: [100]})
    assert trails.names(0, [spot(100, number="4"), spot(100, line="the can")], 0.05) == ["4:t2", "3:t3"]


def test_ids_are_given_once_though_time_goes_back_and_lines_change() -> None:
    trails = Trails(10.0)
    walked(trails, trails.names(0, [spot(100), spot(300)], 0.05), {0: [100, 300]})
    trails.note(0, {"5:t9": spot(200, line="the bowl", number="5")})
    trails.forget(["the bowl"])
    assert trails.at(0, 0.05) == {"5:t9": spot(200, line="the bowl", number="5")}
    trails.forget()
    assert trails.at(0, 0.05) == {}
    assert trails.names(0, [spot(100), spot(300)], 0.05) == ["3:t3", "3:t4"]


def test_what_is_older_than_is_kept_is_forgotten() -> None:
    trails = Trails(2.0)
    walked(trails, ["3:t1"], {0: [100], 1: [100], 3: [100]})
    assert [bool(trails.at(moment * SECOND, 0.05)) for moment in (0, 1, 3)] == [False, True, True]
