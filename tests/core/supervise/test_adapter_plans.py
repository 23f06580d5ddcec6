"""Adapters by their parameters: one engine for both tasks, names at a server, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.command.evaluate import main as evaluate
from egm_core.command.ground import main as ground
from egm_core.engines.base import EngineError, collect
from egm_core.engines.http.chat_body import settings_of
from egm_core.engines.local import TransformersEngine
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import ModelInfo, load_info, write_info
from egm_core.supervise.plan import SetupError, plans
from egm_core.supervise.settings import EngineSettings


def model(home: Path) -> Path:
    made = home / "base"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").touch()
    write_info(made, ModelInfo("base", "qwen3_vl"))
    return made


def adapter(home: Path, name: str, **told: object) -> Path:
    made = home / name
    made.mkdir()
    (made / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 16} | told))
    (made / "adapter_model.safetensors").touch()
    return made


def test_two_adapters_are_one_engine_that_has_both(tmp_path: Path) -> None:
    one, two = adapter(tmp_path, "one"), adapter(tmp_path, "two", r=20)
    settings = EngineSettings(str(model(tmp_path)), engine="vllm", visible_adapter=str(one), amodal_adapter=str(two))
    (plan,) = plans(settings)
    words = plan.words(8000)
    at = words.index("--enable-lora")
    modules = [f"visible={one}", f"amodal={two}"]
    assert words[at:] == ["--enable-lora", "--max-loras", "2", "--max-lora-rank", "32", "--lora-modules", *modules]
    assert plan.asked == {"visible": "visible", "amodal": "amodal"}
    assert "--enable-lora" not in replace(plan, adapters=()).words(8000)


def test_at_a_server_adapters_are_names(tmp_path: Path) -> None:
    settings = EngineSettings(str(model(tmp_path)), engine_url="http://gpu:1", amodal_adapter="whole")
    (plan,) = plans(settings)
    assert (plan.asked, plan.adapters) == ({"amodal": "whole"}, ())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "is no adapter, for it has no adapter_config.json"),
        ({"peft_type": "IA3"}, "is no LoRA adapter"),
        ({"r": "much"}, "is no LoRA adapter"),
    ],
)
def test_a_folder_that_is_none_is_refused(tmp_path: Path, told: dict[str, object] | None, said: str) -> None:
    wrong = tmp_path / "nothing" if told is None else adapter(tmp_path, "wrong", **told)
    with pytest.raises(SetupError, match=said):
        plans(EngineSettings(str(model(tmp_path)), engine="vllm", visible_adapter=str(wrong)))
    wrong = adapter(tmp_path, "empty")
    (wrong / "adapter_model.safetensors").unlink()
    with pytest.raises(SetupError, match=r"amodal_adapter: .*empty has no adapter_model.safetensors"):
        plans(EngineSettings(str(tmp_path / "base"), engine="vllm", amodal_adapter=str(wrong)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": "llamacpp"}, "llamacpp loads no adapters"),
        ({}, "egm loads no adapters"),
        ({"engine": "vllm", "amodal_model": "other"}, "amodal_adapter and amodal_model"),
        ({"engine": "vllm"}, ""),
        ({"engine_url": "http://a:1"}, ""),
        ({"engine_command": "vllm serve {model} --port {port} --enable-lora --lora-modules whole=x"}, ""),
    ],
)
def test_what_cannot_have_adapters_says_so(changes: dict[str, str], said: str) -> None:
    told = EngineSettings(**{"model": "m", "amodal_adapter": "x"} | changes).contradiction()
    assert said in told and bool(told) == bool(said)


def test_egm_ground_refuses_adapters_that_nobody_loads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((100, 120, 3), np.uint8))
    assert ground([str(tmp_path / "picture.png"), "the mug", "--amodal-adapter", "x"]) == 2
    assert "--amodal-adapter is for --engine vllm" in caplog.text


def test_a_question_names_the_adapter_of_its_task_and_drops_the_base_s_calibration(memorising_qwen: Path) -> None:
    info = replace(load_info(memorising_qwen), tasks=("visible",))
    with TransformersEngine(memorising_qwen, threads=1) as engine:
        engine.wait_ready(120)
        grounder = Grounder(engine, info, adapters={"amodal": "whole"})
        requests = grounder.queries(np.zeros((96, 128, 3), np.uint8), "the red mug")
        grounder.close()
        assert {task: request.adapter for task, request in requests.items()} == {"visible": "", "amodal": "whole"}
        bodies = {task: settings_of(request, "base", "", None) for task, request in requests.items()}
        assert {task: body["model"] for task, body in bodies.items()} == {"visible": "base", "amodal": "whole"}
        with pytest.raises(EngineError, match="adapter 'whole': transformers loads none"):
            collect(engine.generate(requests["amodal"]))
    adapted = replace(info, stop_at_box=True).adapted("whole", "amodal")
    assert (adapted.path, adapted.stop_at_box, adapted.tasks) == (None, False, ("visible", "amodal"))


@pytest.mark.parametrize("engine", [[], ["--engine", "llamacpp"], ["--engine-url", "http://a:1"]])
def test_egm_evaluate_refuses_an_adapter_that_nobody_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: list[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate(["refer", "none.jsonl", "--json", str(tmp_path / "out.json"), "--adapter", "x", *engine])
    assert "--adapter is for --engine vllm; at a server name it with --engine-model" in capsys.readouterr().err
