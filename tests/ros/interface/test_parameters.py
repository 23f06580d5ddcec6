"""The table of parameters, its validation, and the settings made from it."""

from dataclasses import fields

import pytest

from egm_ros.interface.settings import GROUNDING, Settings

DEFAULTS = {spec.name: spec.default for spec in GROUNDING}
SPECS = {spec.name: spec for spec in GROUNDING}


def test_the_table_and_the_settings_have_the_same_names_and_types():
    assert [field.name for field in fields(Settings)] == [spec.name for spec in GROUNDING]
    for field, spec in zip(fields(Settings), GROUNDING, strict=True):
        assert field.type.split("[")[0] == type(spec.default).__name__, spec.name


def test_the_defaults_are_valid():
    settings = Settings.of(DEFAULTS)
    assert settings.cameras == ("",)
    assert settings.autostart


@pytest.mark.parametrize("spec", GROUNDING, ids=lambda spec: spec.name)
def test_every_parameter_is_described(spec):
    assert spec.description.endswith(".")
    assert isinstance(spec.default, bool | str | tuple) or spec.range is not None


@pytest.mark.parametrize("spec", [spec for spec in GROUNDING if spec.range], ids=lambda spec: spec.name)
def test_a_number_out_of_range_is_refused_by_name_value_and_range(spec):
    kind = type(spec.default)
    for value in (kind(spec.range[0] - 1), kind(spec.range[1] + 1)):
        with pytest.raises(ValueError) as caught:
            Settings.of(DEFAULTS | {spec.name: value})
        told = str(caught.value)
        assert spec.name in told and repr(value) in told
        for bound in spec.range:
            assert str(bound) in told or f"{bound:g}" in told
    for value in spec.range:
        assert spec.problem(kind(value)) == ""


def test_a_deadline_behind_the_abort_of_its_query_is_refused():
    with pytest.raises(ValueError, match="deadline: 11 s is over query_timeout"):
        Settings.of(DEFAULTS | {"deadline": 11.0})
    assert Settings.of(DEFAULTS | {"deadline": 11.0, "query_timeout": 12.0}).deadline == 11.0


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        ({}, ""),
        ({"engine_python": "/x"}, ""),
        ({"engine_url": "http://a:1"}, ""),
        ({"engine_url": "http://a:1", "engine_python": "/x"}, "engine_python"),
        ({"engine_url": "http://a:1", "amodal_engine_url": "http://b:1"}, "amodal_engine_url"),
        ({"engine_url": "http://a:1", "amodal_engine_url": "http://b:1", "amodal_model": "other"}, ""),
        ({"engine_key_in_clear": ["host"]}, "engine_key_in_clear"),
        ({"engine": "ollama", "engine_python": "/x"}, "engine_python"),
        ({"engine": "vllm", "engine_python": "/x"}, ""),
        ({"deadline": 2.0}, ""),
        ({"reasoning": False}, ""),
        ({"deadline": 2.0, "reasoning": False}, "deadline"),
    ],
)
def test_what_does_nothing_beside_other_parameters_is_said(changes, idle):
    told = Settings.of(DEFAULTS | changes).idle()
    assert [text.split()[0] for text in told] == ([idle] if idle else [])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, "2", 2, None, True])
def test_what_is_no_rate_is_refused(value):
    assert SPECS["max_rate"].problem(value).startswith("max_rate: ")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"transport": "theora"}, "transport: 'theora' is none of raw, compressed"),
        ({"family": "gpt"}, "family: 'gpt'"),
        ({"engine_url": "localhost:8000"}, "engine_url: 'localhost:8000' is not a URL"),
        ({"engine_url": "http://a:1", "engine_command": "serve {port}"}, "give one of them"),
        ({"engine_command": "vllm serve {model}"}, "no {port}"),
        ({"engine_command": "vllm serve '{model} {port}"}, "cannot be split"),
        ({"amodal_engine_url": "http://a:1"}, "needs engine_url"),
        ({"engine": "vlm"}, "engine: 'vlm' is none of auto, egm, vllm"),
        ({"engine": "vllm", "engine_url": "http://a:1"}, "engine_url names a server that runs"),
        ({"cameras": []}, "cameras: is empty"),
        ({"cameras": ["front", "front"]}, "twice"),
        ({"cameras": ["front", ""]}, "''"),
        ({"cameras": ["front/left"]}, "'front/left'"),
        ({"cameras": "front"}, "list of strings"),
        ({"offline": 1}, "offline: 1 is not of type bool"),
    ],
)
def test_a_contradiction_is_named(changes, part):
    with pytest.raises(ValueError) as caught:
        Settings.of(DEFAULTS | changes)
    assert part in str(caught.value)


def test_several_well_named_cameras_are_a_valid_setting():
    assert Settings.of(DEFAULTS | {"cameras": ["front", "left_2"]}).cameras == ("front", "left_2")
