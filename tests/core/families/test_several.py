"""Every object of an answer is listed, in each family's own form, and what cannot be read is no object."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from egm_core.families import FAMILIES, family

QWEN, INTERN = family("qwen3_vl"), family("internvl3")
THREE = [(100, 200, 300, 400), (500, 200, 700, 400), (10, 20, 30, 40)]


def qwen(*boxes: tuple[float, ...]) -> str:
    entries = ",".join(f'\n\t{{"bbox_2d": {list(box)}, "label": "cup"}}' for box in boxes)
    return f"</think>\n\n```json\n[{entries}\n]\n```"


def intern(*boxes: tuple[float, ...]) -> str:
    return f"<ref>cup</ref><box>{[list(box) for box in boxes]}</box>"


def boxes(name: str, text: str) -> list[tuple[float, ...] | None]:
    return [each.box for each in family(name).parse(text).listed]


FORMS = [
    ("qwen3_vl", qwen(*THREE)),
    ("qwen3_5", qwen(*THREE)),
    ("internvl3", intern(*THREE)),
    ("internvl3_5", "\n".join(intern(box) for box in THREE)),
    ("internvl3", f"<answer>{''.join(intern(box) for box in THREE)}</answer>"),
]


@pytest.mark.parametrize(("name", "text"), FORMS)
def test_each_form_lists_every_box_with_its_place_and_label(name: str, text: str) -> None:
    answer = family(name).parse(text)
    assert [each.box for each in answer.listed] == THREE
    assert (answer.kind, answer.box, answer.boxes_seen) == ("box", THREE[0], 3)
    for each, box in zip(answer.listed, THREE, strict=True):
        assert each.span is not None and each.label == "cup"
        assert json.loads(f"[{text[slice(*each.span)]}]") == list(box)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("reasoning", [True, False])
def test_the_grammar_for_several_takes_any_number_and_the_other_one_only(name: str, reasoning: bool) -> None:
    speaker = family(name)
    opening = speaker.thinking.opening(reasoning)
    write = qwen if name.startswith("qwen") else intern
    one, many = (write(*some) if opening == "open" else write(*some).removeprefix("</think>\n\n") for some in
                 (THREE[:1], THREE))  # fmt: skip
    several, single = (re.compile(speaker.regex(reasoning, opening, several)) for several in (True, False))
    assert several.fullmatch(one) and several.fullmatch(many) and single.fullmatch(one)
    assert several.fullmatch(many + many) is None or not name.startswith("qwen")
    if name.startswith("qwen"):
        assert single.fullmatch(many) is None
        assert speaker.json_schema(True).get("maxItems") is None and speaker.json_schema()["maxItems"] == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_several_are_asked_for_in_other_words_than_one(name: str) -> None:
    speaker = family(name)
    asked = {task: speaker.prompt_for_several("red cup", task) for task in ("visible", "amodal")}
    assert asked["visible"] != speaker.prompt("red cup", "visible") and asked["visible"] != asked["amodal"]
    assert all("red cup" in text and "{" not in text for text in asked.values())
    assert "amodal" in asked["amodal"] and "amodal" not in asked["visible"]


def test_a_box_that_cannot_be_read_is_listed_as_none_with_its_reason() -> None:
    answer = QWEN.parse(qwen(THREE[0], (5, 5, 5, 9), (1, 2, 3, 4000), (1, 2, 3)))
    assert [(each.box, each.reason) for each in answer.listed] == [
        (THREE[0], ""),
        (None, "degenerate"),
        (None, "out_of_range"),
        (None, "not_four_numbers"),
    ]
    first = QWEN.parse(qwen((1, 2, 3, 4000), THREE[0]))
    assert (first.kind, first.reason) == ("invalid", "out_of_range")
    assert [each.box for each in first.listed] == [None, THREE[0]]


def test_swapped_corners_are_sorted_and_copies_are_all_listed() -> None:
    assert boxes("qwen3_vl", qwen((300, 400, 100, 200), THREE[0])) == [THREE[0], THREE[0]]
    assert boxes("internvl3", intern((300, 400, 100, 200))) == [THREE[0]]


@pytest.mark.parametrize(("name", "write"), [("qwen3_vl", qwen), ("internvl3", intern)])
def test_two_hundred_boxes_are_read(name: str, write: object) -> None:
    many = [(n, n, n + 9, n + 9) for n in range(200)]
    assert boxes(name, write(*many)) == many  # type: ignore[operator]


@pytest.mark.parametrize("text", [qwen(), "</think>\n\n[]", "</think>\n\n```json\n[]\n```"])
def test_an_empty_list_is_absence_and_lists_nothing(text: str) -> None:
    answer = QWEN.parse(text)
    assert (answer.kind, answer.listed) == ("absent", ())


@pytest.mark.parametrize(("name", "write"), [("qwen3_vl", qwen), ("internvl3", intern)])
def test_a_list_that_was_cut_off_anywhere_keeps_its_whole_objects_and_completes_none(name: str, write: object) -> None:
    text = write(*THREE)  # type: ignore[operator]
    ends = [text.index(str(box[3]), text.index(f"[{box[0]},")) + len(str(box[3])) for box in THREE]
    seen = set()
    for cut in range(len(text)):
        shorter = family(name).cut_back(text[:cut])
        kept = boxes(name, shorter) if shorter is not None else []
        whole = sum(end < cut for end in ends)
        assert kept == THREE[: len(kept)] and whole - 1 <= len(kept) <= whole, cut
        seen.add(len(kept))
    assert seen == {0, 1, 2, 3}


COORDINATE = st.one_of(st.integers(-5, 1100), st.floats(allow_nan=True), st.sampled_from([None, "7", True]))
BOX = st.lists(COORDINATE, min_size=3, max_size=5) | st.lists(st.integers(0, 1000), min_size=4, max_size=4)
LISTS = st.lists(BOX, max_size=6)


def as_text(name: str, items: list[list[object]], cut: int) -> str:
    if name.startswith("qwen"):
        entries = ",".join(f'\n\t{{"bbox_2d": {json.dumps(item)}, "label": "cup"}}' for item in items)
        text = f"so\n</think>\n\n```json\n[{entries}\n]\n```"
    else:
        text = f"<think>so</think><ref>cup</ref><box>{json.dumps(items)}</box>"
    return text[: len(text) - cut]


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=300, deadline=None)
@given(items=LISTS, cut=st.sampled_from([0, 0, 0, 1, 3, 8, 20]))
@example(items=[[1, 2, 3, 4]] * 200, cut=0)
@example(items=[[1, 2, 3, 4]] * 200, cut=30)
def test_whatever_is_listed_lies_in_the_frame_and_was_written(name: str, items: list[list[object]], cut: int) -> None:
    speaker, text = family(name), as_text(name, items, cut)
    for said in (text, speaker.cut_back(text) or ""):
        for mode in ("strict", "salvage"):
            answer = speaker.parse(said, mode)
            if answer.kind == "box":
                assert answer.listed[0].box == answer.box and len(answer.listed) == answer.boxes_seen
            for each in answer.listed:
                assert (each.box is None) == (each.reason != "") == (each.span is None)
                if each.box is not None and each.span is not None:
                    assert all(math.isfinite(edge) and 0 <= edge <= 1000 for edge in each.box)
                    assert each.box[0] < each.box[2] and each.box[1] < each.box[3]
                    assert said[each.span[0]].isdigit() or said[each.span[0]] in "-."
