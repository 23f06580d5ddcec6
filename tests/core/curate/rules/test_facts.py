"""What a trace is held against, from a sample and its neighbours."""

from __future__ import annotations

from egm_core.curate.rules import facts
from egm_core.sample import Sample


def sample(
    sent: str, bbox: tuple[float, ...] | None, amodal: tuple[float, ...] | None = None, **more: object
) -> Sample:
    return Sample("a.png", sent, bbox, amodal, None, 100, 100, **more)  # type: ignore[arg-type]


def test_sides_are_those_where_the_whole_goes_beyond_the_visible_part() -> None:
    assert facts.hidden_sides((10, 10, 50, 50), (10, 10, 50, 90)) == ("bottom",)
    assert facts.hidden_sides((20, 10, 50, 50), (10, 10, 50, 90)) == ("bottom", "left")
    assert facts.hidden_sides((10, 10, 50, 50), (9.5, 10, 50.5, 50)) == ()
    assert facts.hidden_sides(None, (0, 0, 5, 5)) == ()


def test_neighbours_are_the_other_objects_by_all_their_names() -> None:
    mug = sample("the red mug", (0, 0, 5, 5), category="mug", occluders=("box",))
    again = sample("mug on the left", (0, 0, 5, 5), category="mug")
    plate = sample("the plate", (20, 20, 40, 40), category="plate")
    found = facts.of(mug, [mug, again, plate], "amodal", "cyan")
    assert found.others == ("the plate", "plate") and found.occluders == ("box",)
    assert (found.task, found.frame_colour, found.category) == ("amodal", "cyan", "mug")


def test_one_object_is_known_by_its_id() -> None:
    mug = sample("the red mug", (0, 0, 5, 5), annotation_id="1")
    same = sample("the left mug", (0, 0, 5, 6), annotation_id="1")
    other = sample("the blue mug", (0, 0, 5, 5), annotation_id="2")
    assert facts.of(mug, [same, other]).others == ("the blue mug",)
