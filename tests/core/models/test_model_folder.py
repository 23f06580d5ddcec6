"""Model folders: what they say about themselves, where they are found, and how errors help."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from egm_core import __version__
from egm_core.models import folder as model_folder
from egm_core.models.folder import FILE, ModelInfo, load_info, resolve, write_info

INFO = {
    "format": 1,
    "name": "egm_tiny",
    "version": "0.1.0",
    "family": "qwen3_vl",
    "tasks": ["visible", "amodal"],
    "frame": 1000,
    "prompts": {
        "visible": "Locate {sent}, output its bbox coordinates using JSON format",
        "amodal": "Show all of {sent}",
    },
    "reasoning": True,
    "max_pixels": 37632,
    "max_tokens": 160,
    "domain": "domain.json",
    "license": "Apache-2.0",
}


def make_folder(path, info=None, model_type="qwen3_vl"):
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    (path / "model.safetensors").write_bytes(b"")
    if info is not None:
        (path / FILE).write_text(json.dumps(info))
    return path


def test_a_folder_says_what_it_is(tmp_path):
    folder = make_folder(tmp_path / "m", INFO)
    info = load_info(folder)
    assert info == ModelInfo(
        name="egm_tiny",
        family="qwen3_vl",
        tasks=("visible", "amodal"),
        version="0.1.0",
        frame=1000.0,
        prompts={"amodal": "Show all of {sent}"},
        reasoning=True,
        max_pixels=37632,
        max_tokens=160,
        domain="domain.json",
        license="Apache-2.0",
        path=folder,
    )
    assert info.prompt("the mug", "visible") == "Locate the mug, output its bbox coordinates using JSON format"
    assert info.prompt("the mug", "amodal") == "Show all of the mug"
    assert info.domain_path == folder / "domain.json"
    assert info.speaker.name == "qwen3_vl"


def test_what_is_written_comes_back(tmp_path):
    made = ModelInfo.for_training("base", "internvl3", max_pixels=1000)
    assert (made.tasks, made.reasoning, made.version) == (("visible", "amodal"), False, __version__)
    write_info(tmp_path, made)
    assert load_info(tmp_path) == replace(made, path=tmp_path)
    written = json.loads((tmp_path / FILE).read_text())
    assert list(written) == [*INFO, "thinking", "stop_at_box"]
    assert written["prompts"]["visible"] == made.prompt("{sent}", "visible")
    tuned = load_info(tmp_path).trained(name="tuned", tasks=["visible"])
    assert (tuned.name, tuned.tasks, tuned.reasoning, tuned.max_pixels, tuned.path) == (
        "tuned",
        ("visible",),
        True,
        1000,
        None,
    )
    described = load_info(resolve(model_folder.EMBEDDED))
    assert described.domain and described.trained(name="mine", tasks=["visible"]).domain is None


@pytest.mark.parametrize(
    ("model_type", "family"), [("qwen3_vl", "qwen3_vl"), ("qwen3_vl_moe", "qwen3_vl"), ("internvl", "internvl3")]
)
def test_a_folder_from_a_hub_is_guessed_and_visible_only(tmp_path, model_type, family):
    folder = make_folder(tmp_path / "EGM-8B", model_type=model_type)
    info = load_info(folder)
    assert (info.name, info.family, info.tasks) == ("EGM-8B", family, ("visible",))
    assert not info.declares("amodal")
    assert load_info(folder, tasks=["amodal", "visible"]).declares("amodal")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format is 2, and this version of egm_ros reads format 1; update"),
        (
            {"family": "qwen3vl"},
            "unknown model family 'qwen3vl'; did you mean 'qwen3_vl'.*supported: qwen3_vl, qwen3_5, internvl3",
        ),
        ({"family": None}, "family is None; it must be a text"),
        ({"tasks": ["visible", "modal"]}, r"tasks: \['modal'\] can't be; choose from visible, amodal"),
        ({"tasks": []}, "tasks"),
        ({"frame": 999}, "frame is 999; qwen3_vl answers in 0..1000"),
        ({"prompts": {"visible": "Locate it"}}, "prompts.'visible'. is 'Locate it'; give a text with {sent}"),
        ({"prompts": {"modal": "{sent}"}}, "prompts.'modal'"),
        ({"reasoning": "yes"}, "reasoning is 'yes'; it must be true or false"),
        ({"max_pixels": -1}, "max_pixels is -1; it must be positive or null"),
        ({"max_tokens": True}, "max_tokens is True; it must be a whole number or null"),
        ({"domain": 3}, "domain is 3; it must be a text or null"),
    ],
)
def test_bad_fields_are_named(tmp_path, change, message):
    folder = make_folder(tmp_path / "m", {**INFO, **change})
    with pytest.raises(ValueError, match=f"{re.escape(str(folder / FILE))}: .*{message}"):
        load_info(folder)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "no JSON object"), ("\xff", "is not JSON")])
def test_a_broken_file_is_named(tmp_path, text, message):
    folder = make_folder(tmp_path / "m")
    (folder / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load_info(folder)


def test_an_unspoken_family_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"model_type 'llava' belongs to no family .*qwen3_vl, qwen3_5, internvl3"):
        load_info(make_folder(tmp_path / "m", model_type="llava"))
    with pytest.raises(FileNotFoundError, match=r"neither egm.json nor config.json"):
        load_info(tmp_path)


def test_undeclared_tasks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="choose from visible, amodal"):
        load_info(make_folder(tmp_path / "m", INFO), tasks=["everything"])


def test_local_folders_come_first(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "nvidia" / "EGM-8B")
    monkeypatch.chdir(tmp_path)
    assert resolve("nvidia/EGM-8B").resolve() == folder
    assert resolve(folder) == folder
    own = make_folder(tmp_path / "egm_tiny")
    assert resolve("egm_tiny").resolve() == own


def test_missing_models_say_both_ways(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as raised:
        resolve("nvidia/EGM-8B")
    assert "offline:=false" in str(raised.value)
    assert "hf download nvidia/EGM-8B --local-dir models/EGM-8B" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("egm-tiny", "did you mean 'egm_tiny'"),
        ("./models/EGM-8b", r"did you mean 'models/EGM-8B'"),
        ("~/no/such/model", "no such folder"),
        ("", "no model was named"),
        ("a/b/c", "no such folder"),
    ],
)
def test_near_names_are_offered(tmp_path, monkeypatch, name, message):
    make_folder(tmp_path / "models" / "EGM-8B")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=message):
        resolve(name)


def test_folders_that_are_no_models_say_why(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(FileNotFoundError, match=r"has no config.json; name a folder written by save_pretrained"):
        resolve(tmp_path / "run")
    make_folder(tmp_path / "run" / "final")
    with pytest.raises(FileNotFoundError, match=r"did you mean .*final"):
        resolve(tmp_path / "run")
    (tmp_path / "run" / "final" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no \*.safetensors file"):
        resolve(tmp_path / "run" / "final")
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="merge it into its base model"):
        resolve(tmp_path / "lora")


def test_the_embedded_model_is_found_or_its_absence_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(model_folder.resources, "files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"lacks the weights of egm_tiny; .*egm train pretrain"):
        resolve("egm_tiny")
    folder = make_folder(tmp_path / "weights" / "egm_tiny", INFO)
    assert resolve("egm_tiny") == folder


def test_a_hub_that_is_out_of_reach_says_what_to_do(tmp_path):
    """In a process of its own, for the hub's address is read at import."""
    script = (
        "from egm_core.models.folder import resolve\n"
        "try:\n    resolve('nvidia/EGM-8B', offline=False)\n"
        "except FileNotFoundError as error:\n    print(error)\n"
    )
    environment = {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path),
        "PATH": "",
        "PYTHONPATH": ":".join(sys.path),
    }
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert "could not be fetched from the hub" in result.stdout, result.stderr
    assert "hf download nvidia/EGM-8B" in result.stdout


def test_names_that_no_hub_allows_are_refused():
    with pytest.raises(FileNotFoundError, match="could not be fetched from the hub"):
        resolve("a b/c d", offline=False)
