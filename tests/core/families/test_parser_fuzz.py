"""Any text at all gives a box, an absence or a named reason: never an exception, never an invented box."""

import json
import math
import re
import time
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from egm_core.families import FAMILIES, Answer, Mode, Reason, family

TAGS = ["<think>", "</think>", "<answer>", "</answer>", "<ref>", "</ref>", "<box>", "</box>", "<|im_end|>"]
MARKS = ["```", "```json", "[", "]", "[[", "]]", "{", "}", ":", ",", ", ", '"', "'", "\\", "\n", "\t", " ", "\0"]
NUMERALS = ["0", "1", "12", "999", "1000", "1001", "-3", "4.5", ".5", "1e3", "1e999", "NaN", "Infinity", "-Infinity"]
SCRIPTS = ["\N{FULLWIDTH DIGIT NINE}", "\N{ARABIC-INDIC DIGIT ONE}", "\N{SUPERSCRIPT TWO}", "\N{ROMAN NUMERAL EIGHT}"]
WORDS = ['"bbox_2d"', '"bbox"', '"label"', "null", "true", "mug", "(120,500)", "[1, 2, 3, 4]", "[]"]
OTHERS = ["\ud800", "\u2028", "\ufeff"]
PIECES = st.sampled_from(TAGS + MARKS + NUMERALS + SCRIPTS + WORDS + OTHERS)
SOUP = st.lists(PIECES, max_size=25).map("".join)
NUMBER = st.one_of(
    st.integers(-5, 1100),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from([True, None, "7", [1]]),
)
VALUE = st.recursive(
    NUMBER | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["bbox_2d", "bbox", "label", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
COORDINATES = st.lists(st.integers(0, 1000) | st.floats(0, 1000), min_size=4, max_size=4)
ENTRY = st.fixed_dictionaries(
    {"bbox_2d": COORDINATES | st.lists(NUMBER, min_size=3, max_size=5)}, optional={"label": st.text(max_size=8)}
)
NEAR_JSON = st.one_of(COORDINATES, st.lists(ENTRY, max_size=3), st.lists(COORDINATES, max_size=2), VALUE).map(
    json.dumps
)
WRAPPED = st.builds(
    lambda frame, body, cut: frame.replace("#", body)[: len(frame) + len(body) - cut],
    st.sampled_from(
        [
            "why\n</think>\n\n```json\n#\n```",
            "</think>#",
            "#",
            "<think>why [5, 5, 9, 9]</think><answer><ref>mug</ref><box>#</box></answer>",
            "<think>why</think>mug#",
            "<ref>mug</ref><box>#</box>",
        ]
    ),
    NEAR_JSON,
    st.sampled_from([0, 0, 0, 1, 4, 9]),
)
TEXTS = st.one_of(st.text(max_size=60), SOUP, WRAPPED)


def check(answer: Answer, text: str, mode: Mode) -> None:
    """Check everything that an answer promises, whatever the text was."""
    assert (answer.kind == "invalid") == (answer.reason != "")
    assert answer.reason in get_args(Reason)
    assert (answer.kind == "box") == (answer.box is not None) == (answer.span is not None)
    if answer.box is None or answer.span is None:
        return
    assert answer.boxes_seen >= 1
    assert all(math.isfinite(v) for v in answer.box)
    written = text[slice(*answer.span)]
    assert written[0] in "+-." or written[0].isdigit()
    assert written[-1].isdigit()
    if mode in ("strict", "salvage"):
        assert len(re.findall(r"[0-9]+", text)) >= 4
        x0, y0, x1, y1 = answer.box
        assert 0 <= x0 < x1 <= 1000
        assert 0 <= y0 < y1 <= 1000
    assert not answer.salvaged or mode == "salvage"
    if answer.salvaged:
        written_here = {float(n) for n in re.findall(r"-?[0-9.]+(?:[eE][+-]?[0-9]+)?", written)}
        assert {v for v in answer.box if v < 1000} <= written_here
    elif mode == "strict":
        numbers = json.loads(f"[{written}]")
        assert sorted(numbers[::2]) == [x0, x1]
        assert sorted(numbers[1::2]) == [y0, y1]
        assert answer.span[0] >= text.find("</think>")


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
@example(text="[" * 50_000)
@example(text="9" * 50_000)
@example(text="[1, 2, 3, " + "9" * 5000 + "]")
def test_any_text(name, mode, text):
    check(family(name).parse(text, mode), text, mode)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_salvage_takes_all_that_strict_takes(name, text):
    strict, salvaged = family(name).parse(text), family(name).parse(text, "salvage")
    assert salvaged == strict or strict.kind == "invalid"
    assert bool(salvaged.salvaged) == (strict.kind == "invalid" != salvaged.kind)


LABEL = st.text(st.sampled_from("ab \"'[]{}(),:123\n`<>/"), max_size=20).filter(lambda s: "</ref>" not in s)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=150, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 1000), min_size=4, max_size=4, unique=True),
    sent=LABEL,
    trace=SOUP.filter(lambda s: "think>" not in s and "```" not in s),
    task=st.sampled_from(["visible", "amodal"]),
    fenced=st.booleans(),
)
def test_a_chopped_answer_never_gives_another_box(name, numbers, sent, trace, task, fenced):
    x0, x1 = sorted(numbers[::2])
    y0, y1 = sorted(numbers[1::2])
    box = (float(x0), float(y0), float(x1), float(y1))
    text = "<think>" + family(name).target(sent, box, trace, task).removeprefix("<think>")
    text = text.replace("```json", "").replace("```", "") if fenced else text
    for end in range(text.find("</think>"), len(text) + 1):
        assert family(name).parse(text[:end], "salvage").box in (None, box), text[:end]


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=200, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    sent=st.text(max_size=30).filter(lambda s: "</ref>" not in s),
    trace=st.text(max_size=60).filter(lambda s: "</think>" not in s and "<think>" not in s),
    task=st.sampled_from(["visible", "amodal"]),
)
def test_every_target_is_read_back(name, numbers, sent, trace, task):
    x0, x1 = sorted(numbers[::2])
    y0, y1 = sorted(numbers[1::2])
    # A box within the first thousandth can't be told from one in shares of the picture.
    box = (float(x0), float(y0), float(x1), float(y1)) if x0 < x1 and y0 < y1 and max(x1, y1) > 1 else None
    answer = family(name).parse(family(name).target(sent, box, trace, task), sent=sent)
    assert (answer.kind, answer.box) == ("box" if box else "absent", box)
    assert answer.reasoning == trace.strip()


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=100, deadline=None)
@given(trace=SOUP.filter(lambda s: "</think>" not in s))
def test_the_reasoning_never_becomes_the_answer(name, trace):
    assert family(name).parse(f"<think>{trace}").kind == "invalid"
    assert family(name).parse(f"<think>{trace}</think>").kind == "invalid"
    assert family(name).parse(f"<think>{trace}</think>[1, 2, 3, 4]").box == (1, 2, 3, 4)


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "<answer>",
        "<box>",
        "<ref></ref>",
        "<think>",
        "```",
        " ",
        "\n",
        "9",
        "[1,",
        "[]",
        '"',
        '\\"',
        "1.",
        '{"a":',
        "<|im_end|>",
        "x1=1 ",
        "(1,2) to (3,4) ",
        "(1,2)(3,4)x ",
        "\\boxed{",
        "there is no a ",
    ],
)
def test_long_answers_are_read_in_a_moment(name, mode, piece):
    start = time.process_time()
    family(name).parse("</think>" + piece * (40_000 // len(piece)) + "x", mode)
    assert time.process_time() - start < 5
