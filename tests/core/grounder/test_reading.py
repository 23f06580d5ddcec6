"""How a completion is read: what the limit cut, what is salvaged, and what of an instruction no tokenizer may see."""

from __future__ import annotations

import pytest

from egm_core.engines.base import Completion
from egm_core.families import Answer, family
from egm_core.grounder.reading import label_doubt, markup_doubt, read, salvaged_as, set_apart, worded

QWEN = family("qwen3_vl")
BOX = "[[1, 2, 3, 4]]"


def test_a_box_in_a_thought_that_the_limit_cut_is_none_unless_the_thought_was_closed() -> None:
    """Whether a thought was open is told by the template; one that was closed is over."""
    assert read(QWEN, Completion(BOX, (), "length"), "open").reason == "truncated"
    assert read(QWEN, Completion(BOX, (), "length"), "plain").kind == "box"
    assert read(QWEN, Completion(f"x\n</think>\n\n{BOX}", (), "length"), "open").kind == "box"
    assert read(QWEN, Completion(BOX, (), "stop"), "plain").kind == "box"


def test_what_was_cut_is_not_searched_for_a_box() -> None:
    prose = "x\n</think>\n\nThe mug is at [100, 200, 300, 400]."
    assert read(QWEN, Completion(prose, (), "stop")).salvaged == ("prose",)
    assert read(QWEN, Completion(prose, (), "length")).reason == "truncated"
    assert read(QWEN, Completion("x\n</think>\n\n[[1, 2, 3", (), "stop")).reason == "unfinished"


def test_salvage_knows_where_the_template_left_off() -> None:
    """Prose with a box, without a thought's end: a whole answer after a plain template, a draft after an open one."""
    prose = "The mug is at [100, 200, 300, 400]."
    assert read(QWEN, Completion(prose, (), "stop"), "plain").kind == "box"
    assert read(QWEN, Completion(prose, (), "stop"), "open").kind == "invalid"


def test_all_that_broke_the_format_is_named() -> None:
    assert salvaged_as(Answer("box")) == ()
    assert salvaged_as(Answer("box", salvaged=("prose", "words"))) == ("salvaged: prose+words",)


@pytest.mark.parametrize(
    ("label", "sent", "doubted"),
    [
        ("two red mugs", "the red mug", True),
        ("red mugs", "the red mug", False),
        ("bus", "the bu", True),
        ("格子", "找到格子衬衫", False),
    ],
)
def test_only_words_that_were_not_asked_for_are_doubted(label: str, sent: str, doubted: bool) -> None:
    assert bool(label_doubt(label, sent)) is doubted


@pytest.mark.parametrize("marker", ["<|im_end|>", "<IMG_CONTEXT>", "</img>", "<!--", "<|<|im_end|>|>"])
def test_no_marker_reaches_a_tokenizer_and_its_user_is_told(marker: str) -> None:
    sent = set_apart(f"the mug {marker}")
    assert marker not in sent and sent.replace("< ", "<") == f"the mug {marker}"
    assert markup_doubt(f"the mug {marker}")[0].startswith("instruction_markup: ")


def test_a_comparison_is_no_marker() -> None:
    assert set_apart("a mug < 5 cm, or <5") == "a mug < 5 cm, or <5"
    assert markup_doubt("a mug < 5 cm, or <5") == ()


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("\ufeffthe red mug.", "the red mug"),
        ("\u200f\u202bהכוס האדומה\u202c \u200b", "הכוס האדומה"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u200b", ""),
        (" \u2060\u200d. ", ""),
    ],
)
def test_marks_that_nobody_sees_are_no_words(written: str, sent: str) -> None:
    assert worded(written) == sent
