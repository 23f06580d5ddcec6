"""Two LoRA adapters on one model in one vLLM: each answers its task, as the model that it was merged into would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from checkpoints import FOUND, TRACES
from questions import pictures
from server import IN_ITS_ENVIRONMENT, MARKS, PYTHON

from egm_core.command.evaluate import main as evaluate
from egm_core.command.ground import main as ground
from egm_core.engines import EngineError, Request, Sampling, collect
from egm_core.engines.local import TransformersEngine
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import TASKS, Task
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import load_info
from egm_core.sample import Sample, write_samples
from egm_core.supervise.plan import startable
from egm_core.supervise.settings import EngineSettings
from egm_core.supervise.started import Running, started
from egm_core.torchvision_shim import install_schemas

pytestmark = MARKS
RANK = 4
TOKENS = 48


@pytest.fixture(scope="module")
def folders(memorising_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Task, tuple[Path, Path]]:
    """Random adapters as PEFT saves them, and beside each the model that PEFT merges it into."""
    install_schemas()
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    home = tmp_path_factory.mktemp("adapters")
    made: dict[Task, tuple[Path, Path]] = {}
    for seed, task in enumerate(TASKS):
        torch.manual_seed(seed)
        base = AutoModelForImageTextToText.from_pretrained(memorising_qwen, dtype="float32", local_files_only=True)
        layers = r".*language_model.*\.(q_proj|v_proj|o_proj|up_proj|down_proj)"
        tuned = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=layers))
        for name, weights in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.25)
        tuned.save_pretrained(home / task)
        merged = home / f"{task}-merged"
        merged.mkdir()
        for file in memorising_qwen.iterdir():
            if file.suffix != ".safetensors":
                (merged / file.name).symlink_to(file)
        tuned.merge_and_unload().save_pretrained(home / f"{task}-weights")
        (merged / "model.safetensors").symlink_to(home / f"{task}-weights" / "model.safetensors")
        made[task] = (home / task, merged)
    return made


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in IN_ITS_ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("LD_LIBRARY_PATH", raising=False)
        yield


@pytest.fixture(scope="module")
def running(environment: None, memorising_qwen: Path, folders: dict[Task, tuple[Path, Path]]) -> Iterator[Running]:
    """The one engine that `engine:=vllm` starts for a model and two adapters."""
    settings = EngineSettings(
        str(memorising_qwen),
        engine="vllm",
        engine_python=PYTHON,
        engine_precision="float32",
        engine_api_key_env="",
        visible_adapter=str(folders["visible"][0]),
        amodal_adapter=str(folders["amodal"][0]),
    )
    plans = startable(settings)
    assert len(plans) == 1
    with started(plans) as (one,):
        yield one


@pytest.fixture(scope="module")
def vllm(running: Running) -> Iterator[OpenAIEngine]:
    with OpenAIEngine(running.url, running.plan.served, "", running.plan.dialect) as engine:
        yield engine


def test_each_adapter_answers_as_its_merged_model(
    vllm: OpenAIEngine, memorising_qwen: Path, folders: dict[Task, tuple[Path, Path]]
) -> None:
    info = load_info(memorising_qwen)
    asked = [(picture, info.prompt(FOUND, task)) for picture in pictures() for task in TASKS]
    said: dict[str, list[str]] = {}
    for adapter in ("", *TASKS):
        requests = [
            Request(f"{adapter}{number}", picture, prompt, Sampling(max_tokens=TOKENS), adapter=adapter)
            for number, (picture, prompt) in enumerate(asked)
        ]
        said[adapter] = [collect(vllm.generate(request)).text for request in requests]
        folder = folders[adapter][1] if adapter in folders else memorising_qwen  # type: ignore[index]
        with TransformersEngine(folder) as engine:
            engine.wait_ready(300)
            alone = [collect(engine.generate(replace(request, adapter=""))).text for request in requests]
        assert said[adapter] == alone
    assert len({tuple(texts) for texts in said.values()}) == 3
    print(
        f"answers of {len(asked)} questions equal those of the merged models: {[texts[0] for texts in said.values()]}"
    )


def test_the_grounder_asks_for_each_task_s_adapter(vllm: OpenAIEngine, running: Running) -> None:
    assert running.plan.info is not None
    assert dict(running.plan.asked) == {"visible": "visible", "amodal": "amodal"}
    grounder = Grounder(vllm, running.plan.info, adapters=running.plan.asked)
    requests = grounder.queries(pictures()[0], FOUND)
    grounder.close()
    assert {task: request.adapter for task, request in requests.items()} == {"visible": "visible", "amodal": "amodal"}
    alone = Grounder(vllm, running.plan.info, adapters={"amodal": "amodal"})
    try:
        found = alone.ground(pictures()[0], FOUND)
    finally:
        alone.close()
    # The model itself knows the visible box by heart; what a random adapter says is no box or another one.
    assert found.outcome == "found"
    said = collect(vllm.generate(requests["amodal"])).text
    assert found.raw_amodal == said


def test_egm_evaluate_asks_the_adapter_that_it_has_started(
    environment: None, memorising_qwen: Path, folders: dict[Task, tuple[Path, Path]], tmp_path: Path
) -> None:
    sample = Sample(str(tmp_path / "0.png"), FOUND, (1.0, 2.0, 40.0, 50.0), None, None, height=96, width=128)
    cv2.imwrite(sample.picture, cv2.cvtColor(pictures()[0], cv2.COLOR_RGB2BGR))
    write_samples(tmp_path / "samples.jsonl", [sample])
    adapter, merged = folders["visible"]
    words = ["refer", str(tmp_path / "samples.jsonl"), "--mode", "strict"]
    started = ["--engine", "vllm", "--engine-python", PYTHON, "--engine-precision", "float32"]
    more = {
        "one": ["--model", str(memorising_qwen), "--adapter", str(adapter), *started],
        "two": ["--model", str(merged)],
    }
    said = {}
    for name, options in more.items():
        evaluate([*words, "--json", str(tmp_path / f"{name}.json"), *options])
        said[name] = json.loads((tmp_path / f"{name}.json").read_text())
    assert said["one"]["model"] == f"{memorising_qwen.name} with visible"
    (one,), (two,) = (told["rows"] for told in said.values())
    assert one["answer"] == two["answer"] and TRACES[FOUND, "visible"] not in one["answer"]


def test_an_adapter_that_is_not_there_is_told_by_its_name(vllm: OpenAIEngine) -> None:
    request = Request("none", pictures()[0], "x", Sampling(max_tokens=4), adapter="elsewhere")
    with pytest.raises(EngineError, match="elsewhere"):
        collect(vllm.generate(request))


def test_egm_ground_asks_adapters_of_a_server(
    running: Running, tmp_path: Path, memorising_qwen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), pictures()[0])
    words = [str(tmp_path / "picture.png"), FOUND, "--engine-url", running.url, "--json", "--model"]
    outcomes = []
    for more in ([], ["--visible-adapter", "visible", "--amodal-adapter", "amodal"]):
        ground([*words, str(memorising_qwen), "--engine-model", memorising_qwen.name, *more])
        outcomes.append(json.loads(capsys.readouterr().out)["raw_visible"])
    assert outcomes[0] != outcomes[1]
