"""What is in force for which camera, and what a change makes void."""

from __future__ import annotations

from boards import CAMERAS, CHANGES, LINES, changed
from hypothesis import given
from hypothesis import strategies as st

from egm_core.targets.board import Board, Place, Target, places


def words(targets) -> list[str]:
    return [target.instruction for target in targets]


def test_each_line_has_a_number_and_keeps_it_while_others_change():
    board = Board().instructed(["the mug", "the box"])
    mug, box = board.common
    assert (mug.sequence, box.sequence, board.newest) == (1, 2, 2)
    board = board.instructed(["the can", "the mug"])
    assert board.common == (Target(0, 3, "the can"), mug)
    assert not board.holds(Place("front", box))


def test_a_camera_has_its_own_lines_until_it_is_given_none():
    board = Board().instructed(["the mug"]).instructed(["the box", "the can"], "front")
    assert words(board.of("front")) == ["the box", "the can"]
    assert words(board.of("left")) == ["the mug"]
    board = board.instructed(["the bowl"])
    assert words(board.of("front")) == ["the box", "the can"]
    assert words(board.instructed([], "front").of("front")) == ["the bowl"]
    assert words(board.forgotten().of("front")) == []


def test_taking_lines_away_is_a_change_with_a_number():
    board = Board().instructed(["the mug"])
    assert (board.instructed([]).newest, board.forgotten().newest) == (2, 2)
    assert board.instructed([]).instructed(["the mug"]).common[0].sequence == 3


@given(st.lists(CHANGES, max_size=12), LINES, st.sampled_from(("", *CAMERAS)))
def test_a_change_of_lines_voids_those_that_it_takes_away_and_no_other(changes, lines, camera):
    board = Board()
    for change in changes:
        board = changed(board, change)
    before, after = places(board, CAMERAS), places(board.instructed(lines, camera), CAMERAS)
    kept = {place for place in before if board.instructed(lines, camera).holds(place)}
    assert kept == set(before) & set(after)
    touched = {name for name in CAMERAS if camera in ("", name)}
    for place in set(before) - kept:
        own = board.own.get(place.camera)
        assert place.camera in touched
        # Gone is what the lines do not have, and what makes room for the camera's own, or for those of all.
        assert place.target.instruction not in lines or bool(own) != bool(camera)
    for place in set(after) - set(before):
        assert place.target.instruction in lines or not lines


@given(st.lists(CHANGES, max_size=20))
def test_no_number_is_given_twice_and_each_change_takes_one(changes):
    board, seen = Board(), {}
    for change in changes:
        after = changed(board, change)
        if after.common != board.common or after.own != board.own:
            assert after.newest > board.newest or after.epoch > board.epoch
        for camera in CAMERAS:
            for target in after.of(camera):
                assert seen.setdefault(target.sequence, target.instruction) == target.instruction
                assert target.epoch == after.epoch
                assert target.sequence <= after.newest
        board = after


@given(st.lists(CHANGES, max_size=12))
def test_a_switch_voids_all_and_keeps_every_number(changes):
    board = Board()
    for change in changes:
        board = changed(board, change)
    after = board.switched()
    assert not [place for place in places(board, CAMERAS) if after.holds(place)]
    for camera in CAMERAS:
        assert [target.sequence for target in after.of(camera)] == [target.sequence for target in board.of(camera)]


@given(st.lists(CHANGES, max_size=12), st.sampled_from(("", *CAMERAS)))
def test_the_same_lines_again_change_nothing(changes, camera):
    board = Board()
    for change in changes:
        board = changed(board, change)
    held = board.own.get(camera, ()) if camera else board.common
    assert board.instructed(words(held), camera) is board
