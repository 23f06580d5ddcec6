"""The prompts: what they hold, what they forbid, and the check of an answer's form."""

from __future__ import annotations

import json
from typing import Any

import jinja2
import pytest

from egm_core.command.curate import main
from egm_core.curate.prompts import NAMES, AmodalReasoning, Judgement, Malformed, Reasoning, load, parsed

VALUES: dict[str, Any] = {
    "expression": "the {odd} mug",
    "colour": "green",
    "category": "mug",
    "hidden": True,
    "amodal": True,
    "others": ["the plate"],
    "occluders": ["the lamp"],
    "hidden_sides": ["left"],
    "trace": "",
    "width": 640,
    "height": 480,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_filled_in_and_has_a_version(name: str) -> None:
    prompt = load(name)
    said = prompt.render(**VALUES)
    assert prompt.label == f"{name}_{prompt.version}" and load(name, 1).version == 1
    assert ("green frame" in said) == (name != "place") and "{{" not in said and "{%" not in said
    assert ("the {odd} mug" in said) == (name != "express")
    with pytest.raises(jinja2.UndefinedError):
        prompt.render()


@pytest.mark.parametrize("name", ["reason_visible", "reason_amodal"])
def test_reasoning_is_asked_for_without_numbers_and_without_the_drawing(name: str) -> None:
    said = load(name).text
    assert "Do not mention the frame" in said and "no coordinates" in said and "similar objects" in said


def test_every_property_is_required_and_no_other_allowed() -> None:
    for name in NAMES:
        schema = load(name).schema
        assert set(schema["required"]) == set(schema["properties"]) and schema["additionalProperties"] is False


def test_an_unknown_prompt_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="reason_visible"):
        load("reason")
    with pytest.raises(ValueError, match="version 99"):
        load("verify", 99)


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```json\n{}\n```",
        " \n{}\n",
        "<think>Is it {the mug}? Yes.</think>\n{}",
        "The opening tag is the template's.</think>{}",
        "Here is the answer:\n```json\n{}\n```\nI hope this helps.",
        "The answer is {} as you asked.",
        "<think>{}",
        "```json\n{}\n```\nOnce more:\n```json\n{}\n```",
        'Of the form ```\n{"type": "object"}\n```:\n```json\n{}\n```',
    ],
)
def test_an_answer_is_read(around: str) -> None:
    text = around.replace("{}", json.dumps({"reasoning": " The mug. ", "object": "mug"}))
    assert parsed(text, Reasoning) == Reasoning(reasoning="The mug.", object="mug")


def test_parts_that_were_not_asked_for_are_left_out() -> None:
    text = json.dumps({"reasoning": "The mug.", "object": "mug", "confidence": 0.9, "box": [1, 2, 3, 4]})
    assert parsed(text, Reasoning) == Reasoning(reasoning="The mug.", object="mug")


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 200_000, "<think>" * 20_000, "```\n" * 20_000])
def test_an_answer_that_never_ends_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="the answer"):
        parsed(text, Reasoning)


@pytest.mark.parametrize(
    ("around", "why"),
    [
        ("<think>A draft: {pass}, but no, it speaks of a mark.", "not the JSON"),
        ("{pass}</think><think>A draft: {pass} or not", "not the JSON"),
        ("Draft:\n```json\n{pass}\n```\nAt last:\n```json\n{fault}\n```", "more than once"),
        ('{"speaks_of_drawing": true, {rest}', "speaks_of_drawing: the answer has it twice"),
    ],
)
def test_a_draft_and_what_contradicts_itself_are_no_verdict(around: str, why: str) -> None:
    passing = {"why": "Fine."} | dict.fromkeys(list(Judgement.model_fields)[1:], False)
    assert not parsed(json.dumps(passing), Judgement).faults
    text = around.replace("{pass}", json.dumps(passing)).replace("{rest}", json.dumps(passing)[1:])
    with pytest.raises(Malformed, match=why):
        parsed(text.replace("{fault}", json.dumps(passing | {"other_object": True})), Judgement)


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({"reasoning": "x"}, "object"),
        ({"reasoning": "", "object": "mug"}, "reasoning"),
        ({"reasoning": 3, "object": "mug"}, "reasoning"),
        (["x"], "the answer"),
    ],
)
def test_an_answer_of_another_form_says_where(answer: Any, where: str) -> None:
    with pytest.raises(Malformed, match=f"^{where}:"):
        parsed(json.dumps(answer), Reasoning)


def test_text_in_place_of_an_answer_is_refused() -> None:
    with pytest.raises(Malformed, match="the answer"):
        parsed("I'm sorry, I can't help with that.", Reasoning)


def test_sides_have_four_names() -> None:
    said = {"reasoning": "x", "object": "mug", "occluders": ["box"], "hidden_sides": ["left"]}
    assert parsed(json.dumps(said), AmodalReasoning).hidden_sides == ["left"]
    with pytest.raises(Malformed, match=r"hidden_sides\.0"):
        parsed(json.dumps({**said, "hidden_sides": ["north"]}), AmodalReasoning)


def test_the_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts"]) == 0
    assert capsys.readouterr().out.split() == [load(name).label for name in NAMES]
    assert main(["prompts", "verify"]) == 0
    assert '"unique"' in capsys.readouterr().out


def test_half_a_million_questions_share_one_form_and_one_template() -> None:
    prompt = load("verify")
    assert prompt.schema is load("verify").schema == prompt.form.model_json_schema()
