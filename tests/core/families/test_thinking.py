"""Grammar and prompt follow the chat template: Thinking, Instruct and hybrid checkpoints, in a folder and served."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkpoints import ABSENT, AMODAL_BOX, FOUND, VISIBLE_BOX, make_qwen
from numpy.typing import NDArray

from egm_core.boxes import to_pixels
from egm_core.engines.base import Completion
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import FAMILIES, family
from egm_core.families.thinking import Thinking
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.reading import read
from egm_core.models.chat_template import find_template, thinking_in
from egm_core.models.folder import ModelInfo, load_info, write_info

HEAD = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{{ c.text }}{% endfor %}<|im_end|>\n"
HEAD += "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
TEMPLATES = {
    "thinking": (HEAD + "<think>\n{% endif %}", Thinking("open", "open")),
    "instruct": (HEAD + "{% endif %}", Thinking("plain", "plain")),
    "hybrid, open by default": (
        HEAD
        + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% else %}<think>\n"
        "{% endif %}{% endif %}",
        Thinking("open", "shut", "enable_thinking"),
    ),
    "hybrid, the model opens": (
        HEAD
        + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
        Thinking("plain", "shut", "enable_thinking"),
    ),
    "hybrid, off by default": (
        HEAD + "{% if thinking %}<think>{% else %}</think>{% endif %}{% endif %}",
        Thinking("open", "shut", "thinking"),
    ),
    "hybrid, as the smaller Qwen3.5": (
        "{%- macro said(content) %}{% for c in content %}{% if c.type == 'image' or 'image' in c %}<|image_pad|>"
        "{% else %}{{ c.text }}{% endif %}{% endfor %}{%- endmacro %}{%- set ns = namespace(asked=false) %}"
        "{%- for m in messages[::-1] %}{%- if m.role == 'user' %}{%- set ns.asked = true %}{%- endif %}{%- endfor %}"
        "{%- if not ns.asked %}{{ raise_exception('nothing is asked') }}{%- endif %}"
        "{%- for m in messages %}<|im_start|>{{ m.role + '\n' + said(m.content) | trim + '<|im_end|>\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
        "{%- if enable_thinking is defined and enable_thinking is true %}{{- '<think>\n' }}"
        "{%- else %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}",
        Thinking("open", "shut", "enable_thinking"),
    ),
    "hybrid, by a system prompt": (
        "{% if enable_thinking %}<|im_start|>system\nWrite <think>a thought</think> first.<|im_end|>\n{% endif %}"
        + HEAD
        + "{% endif %}",
        Thinking("plain", "plain", "enable_thinking"),
    ),
    "a thought in the example of its system prompt": (
        "Write <think>a thought</think> first. " + HEAD + "{% endif %}",
        Thinking("plain", "plain"),
    ),
    "what only training and tools read": (
        "{% for m in messages %}{% if m.role == 'x' %}{% continue %}{% endif %}{% generation %}{{ m.content[0].text }}"
        "{% endgeneration %}{% endfor %}{{ strftime_now('%Y') }}{{ {'a': 'ü'} | tojson }}<think>",
        Thinking("open", "open"),
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json", "tokenizer_config.json", "list"])
def test_a_template_is_read_from_wherever_it_is_kept(tmp_path: Path, name: str, file: str) -> None:
    template, expected = TEMPLATES[name]
    if file.endswith(".jinja"):
        (tmp_path / file).write_text(template)
    else:
        kept = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": template}]
        value = {"chat_template": kept if file == "list" else template}
        (tmp_path / ("tokenizer_config.json" if file == "list" else file)).write_text(json.dumps(value))
    assert thinking_in(tmp_path) == expected


def test_a_folder_without_a_template_says_nothing(tmp_path: Path) -> None:
    assert (find_template(tmp_path), thinking_in(tmp_path)) == (None, None)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert thinking_in(tmp_path) is None


@pytest.mark.parametrize(
    "template", ["{% if %}", "{{ raise_exception('one system message, please') }}", "{{ 1 + 'a' }}"]
)
def test_a_template_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path, template: str) -> None:
    (tmp_path / "chat_template.jinja").write_text(template)
    with pytest.raises(ValueError, match=r'chat template cannot be read.*"thinking"'):
        thinking_in(tmp_path)


def test_egm_json_keeps_how_answers_begin_and_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(TEMPLATES["instruct"][0])
    known = Thinking("open", "shut", "enable_thinking")
    write_info(tmp_path, ModelInfo("model", "qwen3_vl", thinking=known))
    assert load_info(tmp_path).thinking == known
    write_info(tmp_path, ModelInfo("model", "qwen3_vl"))
    assert load_info(tmp_path).thinking == Thinking("plain", "plain")
    data = json.loads((tmp_path / "egm.json").read_text()) | {"thinking": {"wanted": "ajar"}}
    (tmp_path / "egm.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"thinking is .*open, shut, plain"):
        load_info(tmp_path)


def test_a_model_that_does_not_think_says_so_to_a_servers_parser() -> None:
    assert Thinking("plain", "plain").arguments(True) == {"enable_thinking": False}
    assert Thinking("open", "open").arguments(False) == {}
    assert [Thinking("open", "shut", "thinking").arguments(wish) for wish in (True, False)] == [
        {"thinking": True},
        {"thinking": False},
    ]


QWEN = '```json\n[\n\t{"bbox_2d": [1, 2, 3, 4], "label": "mug"}\n]\n```'
ABSENT_QWEN = "```json\n[]\n```"
INTERNVL = "<ref>mug</ref><box>[1, 2, 3, 4]</box>"
STOCK = "<ref>mug</ref><box>[[1, 2, 3, 4]]</box>"


@pytest.mark.parametrize(
    ("name", "opening", "reasoning", "fits", "breaks"),
    [
        ("qwen3_vl", "open", True, [f"</think>\n\n{QWEN}", f"hm\n</think>\n\n{ABSENT_QWEN}"], [QWEN]),
        ("qwen3_vl", "open", False, [f"</think>\n\n{QWEN}"], [QWEN, f"hm\n</think>\n\n{QWEN}"]),
        ("qwen3_vl", "shut", False, [QWEN, ABSENT_QWEN], [f"</think>\n\n{QWEN}"]),
        ("qwen3_vl", "plain", True, [QWEN, f"<think>hm</think>\n\n{QWEN}"], [f"hm\n</think>\n\n{QWEN}"]),
        ("qwen3_vl", "plain", False, [QWEN], [f"<think>hm</think>\n\n{QWEN}", f"</think>\n\n{QWEN}"]),
        ("qwen3_5", None, True, [f"hm\n</think>\n\n{ABSENT_QWEN}", f"</think>\n\n{QWEN}"], [QWEN]),
        ("qwen3_5", None, False, [QWEN, ABSENT_QWEN], [f"</think>\n\n{QWEN}", f"hm\n</think>\n\n{QWEN}"]),
        ("internvl3", "plain", True, [INTERNVL, STOCK, f"<think>hm</think>{STOCK}"], [f"hm</think>{INTERNVL}"]),
        ("internvl3", "plain", False, [STOCK, f"<answer>{INTERNVL}</answer>"], [f"<think>hm</think>{INTERNVL}"]),
        ("internvl3", "open", True, [f"hm</think>{INTERNVL}"], [INTERNVL]),
        ("internvl3", "open", False, [f"</think>{STOCK}"], [STOCK, f"hm</think>{STOCK}"]),
        ("internvl3_5", None, True, [INTERNVL, STOCK, f"<think>hm</think>{STOCK}"], [f"hm</think>{INTERNVL}"]),
        ("internvl3_5", None, False, [STOCK], [f"<think>hm</think>{STOCK}"]),
    ],
)
def test_the_grammar_begins_where_the_template_ends(
    name: str, opening: str | None, reasoning: bool, fits: list[str], breaks: list[str]
) -> None:
    grammar = family(name).regex(reasoning, opening)
    for text in fits:
        assert re.fullmatch(grammar, text), text
        assert family(name).parse(text).kind in ("box", "absent"), text
    for text in breaks:
        assert not re.fullmatch(grammar, text), text


FOLDERS = ["memorising_instruct", "memorising_hybrid", "memorising_qwen"]
# Quicker tests of these two are in tests/core/engines/test_newer_families.py.
NEWER = [pytest.param(f"memorising_{name}", marks=pytest.mark.long) for name in ("qwen3_5", "internvl3_5")]


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_word_of_the_checkpoint_the_familys_own_template_counts(name: str) -> None:
    speaker = family(name)
    for reasoning in (True, False):
        assert speaker.regex(reasoning) == speaker.regex(reasoning, speaker.thinking.opening(reasoning))


@pytest.fixture(scope="module", params=[*FOLDERS, *NEWER])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    with TransformersEngine(folder) as engine:
        engine.wait_ready(300)
        yield engine


@pytest.mark.parametrize("reasoning", [True, False])
@pytest.mark.parametrize("constrain", ["auto", "off"])
def test_checkpoints_of_each_sort_answer_in_full(
    engine: TransformersEngine, folder: Path, noise: NDArray[np.uint8], constrain: str, reasoning: bool
) -> None:
    info = load_info(folder)
    assert engine.thinking() == info.thinking
    grounder = Grounder(engine, info, constrain=constrain, reasoning=reasoning)
    height, width = noise.shape[:2]
    try:
        found = grounder.ground(noise, FOUND)
        assert (found.outcome, found.detail) == ("found", "")
        assert found.visible == pytest.approx(to_pixels(VISIBLE_BOX, width, height))
        assert found.amodal == pytest.approx(to_pixels(AMODAL_BOX, width, height))
        assert bool(found.reasoning) == (reasoning and "instruct" not in folder.name)
        assert grounder.ground(noise, ABSENT).outcome == "absent"
    finally:
        grounder.close()


@pytest.mark.parametrize("name", ["memorising_hybrid", *NEWER])
def test_a_server_tells_how_its_models_answers_begin(
    name: str, request: pytest.FixtureRequest, noise: NDArray[np.uint8], serve_folder
) -> None:
    served = request.getfixturevalue(name)
    for url in serve_folder(served):
        with OpenAIEngine(url) as engine:
            engine.wait_ready(300)
            openings = ("plain", "plain") if "internvl" in name else ("open", "shut")
            assert engine.thinking() == Thinking(*openings, "enable_thinking")
            unknown = replace(load_info(served), path=None, thinking=None)
            for reasoning in (True, False):
                grounder = Grounder(engine, unknown, reasoning=reasoning)
                found = grounder.ground(noise, FOUND)
                grounder.close()
                assert (found.outcome, bool(found.reasoning)) == ("found", reasoning)


def test_the_template_alone_decides_not_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen3-VL-2B-Thinking"
    make_qwen(folder)
    template = (folder / "chat_template.jinja").read_text()
    assert load_info(folder).thinking == Thinking("open", "open")
    (folder / "chat_template.jinja").write_text(template.replace("<think>\n", ""))
    assert load_info(folder).thinking == Thinking("plain", "plain")


def test_a_server_that_lets_the_model_think_all_the_same_is_named(
    engine: TransformersEngine, folder: Path, noise: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ignores grammar and template arguments in silence, as old reasoning parsers do."""
    whole = engine.generate
    thinks = load_info(folder).thinking.arguments(True)
    monkeypatch.setattr(
        engine, "generate", lambda request: whole(replace(request, regex=None, json_schema=None, template=thinks))
    )
    grounder = Grounder(engine, load_info(folder), reasoning=False)
    found = grounder.ground(noise, FOUND)
    grounder.close()
    told = any("reasoning_not_forbidden" in warning for warning in found.warnings)
    assert told == ("instruct" not in folder.name)


def test_prose_of_an_instruct_model_is_an_answer_and_of_a_thinking_one_a_thought() -> None:
    said = "The mug is at [100, 200, 300, 400]."
    speaker = family("qwen3_vl")
    assert speaker.parse(said, "salvage", "plain").box == (100.0, 200.0, 300.0, 400.0)
    assert speaker.parse(said, "salvage", "shut").box == (100.0, 200.0, 300.0, 400.0)
    assert speaker.parse(said, "salvage", "open").kind == "invalid"
    assert speaker.parse(said, "salvage").kind == "invalid"
    cut = Completion('```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "mug"}]\n```', (), "length")
    assert read(speaker, cut, "open").reason == "truncated"
    assert read(speaker, cut, "plain").kind == "box"
