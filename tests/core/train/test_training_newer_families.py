"""Qwen3.5 and InternVL3.5 are tuned, rewarded and planned: random checkpoints of their real classes, a step or two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from egm_core.bench.floor import weights_of
from egm_core.families.thinking import Thinking
from egm_core.models.folder import load_info
from egm_core.sample import Sample, write_samples
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.table import read_table
from egm_core.train.plan.architectures import architecture, picture, sizes
from egm_core.train.plan.memory import key_value_bytes
from egm_core.train.plan.plan import plan
from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.stage import _shares, grpo_arguments, rl, switched
from egm_core.train.rl.verl.settings import environment, overrides
from egm_core.train.run.folder import model_of
from egm_core.train.sft.config import SFTStageConfig
from egm_core.train.sft.stage import prepare, sft

TRACE = "The red mug is at (300,450)."
TRAINING = Path(__file__).parents[3] / "training"


@pytest.fixture(params=["random_qwen3_5", "random_internvl3_5"])
def model(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures, every other one with a reasoning."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(4):
        file = str(folder / f"{i}.png")
        cv2.imwrite(file, rng.integers(0, 256, (64, 96, 3), np.uint8))
        trace = TRACE if i % 2 else ""
        box = (2.0, 2.0, 60.0, 62.0)
        samples.append(Sample(file, "the red mug", box, None, None, 64, 96, trace))
    write_samples(folder / "samples.jsonl", samples)
    return folder / "samples.jsonl"


def common(model: Path, data: Path, output: Path) -> dict[str, Any]:
    return {
        "model": str(model), "data": [str(data)], "output": str(output), "name": "tuned", "learning_rate": 1e-3,
        "tasks": ["visible"], "logging_steps": 1, "save_steps": 10, "report_to": [],
    }  # fmt: skip


def tuning(model: Path, data: Path, output: Path, **changes: Any) -> SFTStageConfig:
    return SFTStageConfig(**{**common(model, data, output), "batch": 2, "max_steps": 2, **changes})


def rewarding(model: Path, data: Path, output: Path, **changes: Any) -> RLConfig:
    small = {"prompts": 2, "generations": 2, "micro_batch": 4, "max_tokens": 8, "max_steps": 2, "kl": 0.01}
    return RLConfig(**{**common(model, data, output), **small, "rollout": "transformers", **changes})


def moved(before: Path, after: Path) -> set[str]:
    one, two = (
        AutoModelForImageTextToText.from_pretrained(f, dtype=torch.float32).state_dict() for f in (before, after)
    )
    assert one.keys() == two.keys()
    return {name for name, tensor in two.items() if not torch.equal(tensor, one[name])}


def losses(folder: Path) -> list[float]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if "loss" in row]


def test_a_sample_is_taught_behind_the_template_that_fits_it(model: Path, data: Path, tmp_path: Path) -> None:
    config = tuning(model, data, tmp_path)
    assert prepare(config, tmp_path, model_of(config)) == 4
    speaker = load_info(model).speaker
    for row in read_table(tmp_path):
        thinks = TRACE in row["completion"]
        if speaker.name == "qwen3_5":
            assert row["prompt"].endswith("<think>\n" if thinks else "<think>\n\n</think>\n\n")
            assert row["completion"].startswith(f"{TRACE}\n</think>" if thinks else "```json")
        else:
            assert row["prompt"].endswith("<|im_start|>assistant\n")
            assert row["completion"].startswith("<think>" if thinks else "<answer>")
        answer = speaker.parse(row["completion"])
        assert (answer.kind, bool(answer.reasoning)) == ("box", thinks)


@pytest.mark.parametrize("rank", [0, pytest.param(4, marks=pytest.mark.long)])
def test_two_steps_of_tuning_leave_a_folder_of_the_family(model: Path, data: Path, tmp_path: Path, rank: int) -> None:
    final = sft(tuning(model, data, tmp_path / "run", lora_rank=rank))
    info = load_info(final)
    assert (info.name, info.speaker, info.thinking) == ("tuned", load_info(model).speaker, load_info(model).thinking)
    assert len(losses(tmp_path / "run")) == 2 and np.isfinite(losses(tmp_path / "run")).all()
    names = moved(model, final)
    assert any("language_model" in name for name in names)
    assert not [n for n in names if "vision_tower" in n or ("visual" in n and "merger" not in n)]
    if rank and info.family == "qwen3_5":
        assert any("linear_attn.in_proj_qkv" in name for name in names)


def test_two_steps_of_reward_leave_a_folder_of_the_family(model: Path, data: Path, tmp_path: Path) -> None:
    final = rl(rewarding(model, data, tmp_path / "run"))
    assert load_info(final).speaker == load_info(model).speaker
    assert len(losses(tmp_path / "run")) == 2 and np.isfinite(losses(tmp_path / "run")).all()
    log = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(row["reward"]) for row in log if "reward" in row)


def test_a_rollout_asks_for_a_thought_as_the_model_was_taught(random_qwen3_5: Path, random_internvl3_5: Path) -> None:
    install_schemas()
    template = switched(load_info(random_qwen3_5))
    assert template == {"enable_thinking": True} and switched(load_info(random_internvl3_5)) == {}
    config = RLConfig(data=["x"], report_to=[], freeze_vision=False)
    assert grpo_arguments(config, on_cpu=True, template=template).chat_template_kwargs == template
    given = overrides(config, "qwen3_5", Path("/m"), Path("/t"), template)
    assert {"+data.apply_chat_template_kwargs.enable_thinking=true", "data.image_patch_size=16"} <= set(given)
    assert "VERL_USE_EXTERNAL_MODULES" in environment(config, "internvl3_5")
    assert "VERL_USE_EXTERNAL_MODULES" not in environment(config, "qwen3_5")
    assert Thinking("open", "shut", "thinking").switched(False) == {"thinking": False}


def test_a_state_is_not_shared_between_answers() -> None:
    config = RLConfig(data=["x"], rollout="transformers", report_to=[])
    assert _shares(config, on_cpu=True, recurrent=False) and not _shares(config, on_cpu=True, recurrent=True)
    asked = RLConfig(data=["x"], rollout="transformers", report_to=[], share_prompts=True)
    with pytest.raises(ConfigurationError, match=r"share_prompts needs .*full attention"):
        _shares(asked, on_cpu=True, recurrent=True)


@pytest.mark.parametrize(
    ("name", "billions", "tokens"),
    [
        # What the checkpoint holds, and what the makers state.
        ("OpenGVLab/InternVL3_5-1B-HF", 1.060897792, 13 * 256),
        ("OpenGVLab/InternVL3_5-2B-HF", 2.3, 13 * 256),
        ("OpenGVLab/InternVL3_5-4B-HF", 4.7, 13 * 256),
        ("OpenGVLab/InternVL3_5-8B-HF", 8.5, 13 * 256),
        # 640 x 480 in cells of 32.
        ("Qwen/Qwen3.5-2B", 2.2, 300),
        ("Qwen/Qwen3.5-9B", 9.4, 300),
    ],
)
def test_published_sizes_are_counted(name: str, billions: float, tokens: int) -> None:
    shape = architecture(name)
    counted = sizes(shape)
    digits = len(str(billions).partition(".")[2])
    assert round(counted.parameters / 1e9, digits) == billions
    assert picture(name, shape, 480, 640).tokens == tokens
    if "Qwen3.5" in name:
        # One layer in four has keys and values.
        assert weights_of(shape, 2).kept == key_value_bytes(counted)
        assert key_value_bytes(counted) == 2 * counted.depth // 4 * counted.kv_heads * 256 * 2


def test_a_plan_is_made_from_a_folder_and_from_a_published_name(model: Path, data: Path, tmp_path: Path) -> None:
    words = [f"data=[{data}]", f"output={tmp_path / 'run'}", "tasks=[visible]"]
    told = plan(TRAINING / "robot" / "sft.yaml", [f"model={model}", *words])
    assert f"model      {model}: " in told and "4 from" in told and "at the peak" in told
    name = "Qwen/Qwen3.5-2B" if "qwen" in model.name else "OpenGVLab/InternVL3_5-1B-HF"
    told = plan(TRAINING / "robot" / "rl.yaml", [f"model={name}", *words, "plan.gpu_gib=80", "plan.samples=1000"])
    assert f"model      {name}: " in told
