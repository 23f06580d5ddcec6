"""What became of each target."""

from __future__ import annotations

from egm_core.targets.board import Board, places
from egm_core.targets.states import States

CAMERAS = ("front", "left")


def test_each_place_has_a_state_of_its_own_until_it_goes():
    board = Board().instructed(["the mug", "the box"])
    before = places(board, CAMERAS)
    states = States().serving(before)
    assert {states.of(place).outcome for place in before} == {"not_asked"}
    states = states.concluded(before[0], "found", "", "1.000000000", "found: the mug", 5.0)
    states = states.concluded(before[0], "stale", "query_timeout", "2.000000000", "took too long", 6.0)
    state = states.of(before[0])
    assert (state.outcome, state.reason, state.stamp, state.answers, state.at) == (
        "stale", "query_timeout", "2.000000000", 1, 6.0
    )  # fmt: skip
    assert {states.of(place).outcome for place in before[1:]} == {"not_asked"}
    after = places(board.instructed(["the box"]).switched(), CAMERAS)
    kept = states.concluded(before[1], "absent", "", "3.0", "", 7.0).serving(after)
    assert [kept.of(place).outcome for place in after] == ["absent", "not_asked"], "a switch keeps what is known"
    assert kept.of(before[0]).outcome == "not_asked"


def test_the_end_of_a_query_about_what_is_gone_changes_nothing():
    board = Board().instructed(["the mug"])
    (gone,) = places(board, [""])
    states = States().serving(places(board.instructed(["the box"]), [""]))
    assert states.concluded(gone, "found", "", "", "", 1.0) == states
