"""The lines of an instruction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.targets.lines import MOST, Lines, listed, read, taken_apart, written

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8)


def test_one_line_is_verbatim():
    assert read("  The RED mug. ") == Lines(("  The RED mug. ",))
    assert read("the mug\n") == Lines(("the mug",))


@pytest.mark.parametrize("blank", ["", " \t ", "\n", "\r\n \n"])
def test_nothing_but_blanks_is_no_line_and_nothing_is_said(blank):
    assert read(blank) == Lines()


def test_what_is_left_out_is_named():
    text = "the mug\n\n  \r\nthe box\rthe mug"
    assert read(text).lines == ("the mug", "the box")
    assert read(text, "front/instruction").left_out == (
        "front/instruction: of 5 lines 2 are blank and 1 is there twice; these are left out"
    )


def test_too_many_lines_are_refused_by_name():
    lines = [f"thing {number}" for number in range(MOST + 1)]
    assert len(read(written(lines[:-1])).lines) == MOST
    with pytest.raises(ValueError, match=f"left/instruction: has {MOST + 1} lines, and {MOST} targets"):
        read(written(lines), "left/instruction")


@given(st.lists(LINE, max_size=MOST), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_are_those_that_were_written_once_each(entries, end):
    lines = read(end.join(entries)).lines
    assert list(lines) == list(dict.fromkeys(entry for entry in entries if entry.strip()))
    assert read(written(lines)) == Lines(lines)
    assert taken_apart(written(lines)) == lines


def test_a_list_has_an_entry_for_each_line():
    assert listed((), "instructions") == listed(("",), "instructions") == ()
    assert listed(("the mug", " the box"), "instructions") == ("the mug", " the box")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (("the mug", ""), "instructions: entry 2 of 2 is blank"),
        (("the mug\nthe box",), "holds a line break"),
        (("the mug", "the mug"), "'the mug' is there twice"),
        (tuple(f"thing {number}" for number in range(MOST + 1)), f"{MOST} targets at a time"),
    ],
)
def test_a_list_that_is_no_list_of_lines_is_refused(entries, said):
    with pytest.raises(ValueError, match=said):
        listed(entries, "instructions")
