"""Whether a thought fits into the time that is left, by how long thoughts took of late."""

from __future__ import annotations

from egm_core.grounder.thought_time import ThoughtTime


def test_the_first_thought_is_tried_where_any_time_is_left() -> None:
    assert ThoughtTime().fits(0.01)
    assert not ThoughtTime().fits(0.0)
    assert not ThoughtTime().fits(-1.0)


def test_it_goes_by_the_mean_of_those_that_ended() -> None:
    known = ThoughtTime()
    known.ended(1.0)
    assert known.fits(1.0) and not known.fits(0.9)
    for _ in range(30):
        known.ended(0.5)
    assert known.fits(0.51) and not known.fits(0.4)


def test_after_a_cut_none_is_begun_for_a_while_and_then_one_is_tried_again() -> None:
    known = ThoughtTime()
    known.cut(0.5)
    tried = [known.fits(0.5) for _ in range(20)]
    assert not any(tried[:5]) and any(tried)
    known.ended(0.1)
    for _ in range(20):
        known.ended(0.1)
    assert known.fits(0.2)
