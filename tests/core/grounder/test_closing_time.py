"""How long before a deadline nothing more is waited for, by how long answers took after a cut of late."""

from __future__ import annotations

import pytest

from egm_core.grounder.closing_time import FADING, HEADROOM, LEAST, ClosingTime


def after(*seconds: float | None) -> ClosingTime:
    """Note answers, after the first one, which does not count."""
    known = ClosingTime()
    for each in (60.0, *seconds):
        known.took(each)
    return known


def test_a_little_is_kept_while_nothing_is_known() -> None:
    assert ClosingTime().margin(0.5) == LEAST
    assert ClosingTime().margin(4.0) == pytest.approx(0.08)
    assert after().margin(0.5) == LEAST, "the first answer reads what later ones have"


def test_it_goes_by_the_slowest_cut_and_forgets_it_slowly() -> None:
    assert after(0.01, 0.2, 0.05).margin(9.0) == pytest.approx(HEADROOM * 0.2 * FADING)
    assert after(0.2, *[None] * 500).margin(9.0) == pytest.approx(HEADROOM * 0.2), "nothing was cut"
    assert after(0.2, *[0.001] * 200).margin(0.5) == LEAST


def test_it_never_takes_more_than_half_of_a_deadline() -> None:
    assert after(30.0).margin(2.0) == 1.0
    assert ClosingTime().margin(0.01) == 0.005
