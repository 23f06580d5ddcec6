"""Which family a model speaks: known names and configurations, and nothing by a guess."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from egm_core.families.known import check_served, check_told, family_of_config, family_of_name
from egm_core.models.folder import load_info


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("nvidia/EGM-8B", "qwen3_vl"),
        ("nvidia/EGM-4B-SFT", "qwen3_vl"),
        ("JamesZGQ/EGM-8B", "qwen3_vl"),
        ("EGM-8B", "qwen3_vl"),
        ("egm_tiny", "qwen3_vl"),
        ("Qwen/Qwen3-VL-8B-Thinking", "qwen3_vl"),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct-FP8", "qwen3_vl"),
        ("Qwen3-VL-2B-Instruct", "qwen3_vl"),
        ("qwen3-vl:8b-thinking", "qwen3_vl"),
        ("qwen3-vl", "qwen3_vl"),
        ("qwen/qwen3-vl-30b", "qwen3_vl"),
        ("unsloth/Qwen3-VL-4B-Instruct-GGUF", "qwen3_vl"),
        ("/models/mine-qwen3-vl-mugs/", "qwen3_vl"),
        ("OpenGVLab/InternVL3-8B", "internvl3"),
        ("OpenGVLab/InternVL3-1B-hf", "internvl3"),
        ("OpenGVLab/InternVL3_5-8B", "internvl3_5"),
        ("OpenGVLab/InternVL3_5-8B-HF", "internvl3_5"),
        ("InternVL3.5-241B-A28B", "internvl3_5"),
        ("internvl-3-5-4b-awq", "internvl3_5"),
        ("EGM-InternVL3_5-2B", "internvl3_5"),
        ("Qwen/Qwen3.5-9B", "qwen3_5"),
        ("Qwen/Qwen3.5-0.8B-Base", "qwen3_5"),
        ("Qwen/Qwen3.5-397B-A17B-FP8", "qwen3_5"),
        ("qwen3.5:4b", "qwen3_5"),
        ("unsloth/Qwen3_5-27B-GGUF", "qwen3_5"),
        ("qwen3.5", "qwen3_5"),
        ("internvl3-78b-awq", "internvl3"),
        ("EGM-InternVL3-8B", "internvl3"),
        ("EGM-InternVL-3-8B", "internvl3"),
    ],
)
def test_known_names(model: str, family: str) -> None:
    assert family_of_name(model) == family


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "answers in pixels"),
        ("qwen2.5vl:7b", "answers in pixels"),
        ("Qwen2-VL-2B-Instruct-AWQ", "answers in pixels"),
        ("qwen2_5-vl-72b", "answers in pixels"),
        ("google/gemini-2.5-pro", "y before x"),
        ("microsoft/Florence-2-large", "other words"),
        ("Qwen/Qwen3.50-8B", "cannot be told from"),
        ("Qwen/Qwen3.5-Embedding-4B", "cannot be told from"),
        ("Qwen/Qwen3-8B", "cannot be told from"),
        ("Qwen/Qwen3-VL-Embedding-8B", "cannot be told from"),
        ("qwen-max", "cannot be told from"),
        ("OpenGVLab/InternVL2_5-8B", "cannot be told from"),
        ("OpenGVLab/InternVL30-8B", "cannot be told from"),
        ("/models/qwen3-vl/merged", "cannot be told from"),
        ("regmap-8b", "cannot be told from"),
        ("segment-egm", "cannot be told from"),
        ("mine", "cannot be told from"),
        ("", "cannot be told from"),
    ],
)
def test_others_are_errors_that_name_the_families_and_the_remedy(model: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        family_of_name(model)
    assert all(word in str(caught.value) for word in ("family", "qwen3_vl", "internvl3", "set"))


def test_a_server_with_another_model_is_refused_and_one_that_says_nothing_is_not() -> None:
    check_served("mine", "qwen3_vl")
    check_served("", "qwen3_vl")
    check_served("Qwen/Qwen3-VL-8B-Thinking", "qwen3_vl")
    # InternVL3.5 is asked in InternVL3's words, and read as it; the other way round nothing is known.
    check_served("OpenGVLab/InternVL3_5-241B-A28B", "internvl3")
    check_told("OpenGVLab/InternVL3_5-241B-A28B", "internvl3")
    with pytest.raises(ValueError, match="speaks internvl3, and would be asked as internvl3_5"):
        check_served("OpenGVLab/InternVL3-8B", "internvl3_5")
    with pytest.raises(ValueError, match="speaks qwen3_5, and would be asked as qwen3_vl"):
        check_served("Qwen/Qwen3.5-9B", "qwen3_vl")
    with pytest.raises(ValueError, match="speaks internvl3, and would be asked as qwen3_vl"):
        check_served("OpenGVLab/InternVL3-8B", "qwen3_vl")
    with pytest.raises(ValueError, match="speaks none of ours"):
        check_served("Qwen/Qwen2.5-VL-7B-Instruct", "qwen3_vl")


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ({"model_type": "qwen3_vl"}, "qwen3_vl"),
        ({"model_type": "qwen3_vl_moe"}, "qwen3_vl"),
        ({"model_type": "internvl_chat"}, "internvl3"),
        ({"architectures": ["InternVLForConditionalGeneration"]}, "internvl3"),
        ({"architectures": ["Qwen3VLForConditionalGeneration"], "model_type": 3}, "qwen3_vl"),
        ({"model_type": "qwen2_5_vl", "architectures": ["Qwen2_5_VLForConditionalGeneration"]}, ""),
        ({"model_type": "qwen3_5"}, "qwen3_5"),
        ({"model_type": "qwen3_5_moe"}, "qwen3_5"),
        ({"architectures": ["Qwen3_5ForConditionalGeneration"]}, "qwen3_5"),
        ({"model_type": "internvl", "text_config": {"model_type": "qwen2"}}, "internvl3"),
        ({"model_type": "internvl", "text_config": {"model_type": "qwen3"}}, "internvl3_5"),
        ({"model_type": "internvl", "text_config": {"model_type": "qwen3_moe"}}, "internvl3_5"),
        ({"model_type": "internvl_chat", "llm_config": {"model_type": "gpt_oss"}}, "internvl3_5"),
        ({"model_type": "internvl", "text_config": "x"}, "internvl3"),
        ({"model_type": "qwen3_5_text", "architectures": ["Qwen3_5ForCausalLM"]}, ""),
        ({"model_type": "qwen3"}, ""),
        ({"architectures": "x"}, ""),
        ({}, ""),
    ],
)
def test_configurations(config: dict[str, object], family: str) -> None:
    assert family_of_config(config) == family


def test_a_folder_is_what_its_configuration_says_whatever_its_name_and_the_user_may_say_more(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen3-VL-8B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    with pytest.raises(ValueError, match=r"qwen2_5_vl.*qwen3_vl, qwen3_5, internvl3.*parameter family"):
        load_info(folder)
    assert load_info(folder, family="qwen3_vl").family == "qwen3_vl"
