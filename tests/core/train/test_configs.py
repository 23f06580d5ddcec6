"""The paper's files in training/: literal values, the libraries' configurations, the models, and one real step."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.models.folder import load_info
from egm_core.sample import Sample, read_samples, write_samples
from egm_core.train.configuration import load
from egm_core.train.plan.architectures import PUBLISHED, architecture, on_meta, sizes
from egm_core.train.rl.config import RLConfig, accumulation
from egm_core.train.rl.stage import grpo_arguments, rl
from egm_core.train.select.stage import SelectConfig
from egm_core.train.sft.config import SFTStageConfig
from egm_core.train.sft.stage import sft, sft_arguments
from egm_core.train.stages import STAGES

ROOT = Path(__file__).parents[3]
TRAINING = ROOT / "training"
GPUS = 8

# File: model, task, batch, accumulation. On 8 GPUs all make the paper's 128 samples a step.
SFT = {
    "qwen3_vl/2b_visible_sft.yaml": ("Qwen/Qwen3-VL-2B-Thinking", "visible", 16, 1),
    "qwen3_vl/4b_visible_sft.yaml": ("Qwen/Qwen3-VL-4B-Thinking", "visible", 8, 2),
    "qwen3_vl/8b_visible_sft.yaml": ("Qwen/Qwen3-VL-8B-Thinking", "visible", 8, 2),
    "qwen3_vl/2b_amodal_sft.yaml": ("Qwen/Qwen3-VL-2B-Thinking", "amodal", 16, 1),
    "qwen3_vl/4b_amodal_sft.yaml": ("Qwen/Qwen3-VL-4B-Thinking", "amodal", 8, 2),
    "qwen3_vl/8b_amodal_sft.yaml": ("Qwen/Qwen3-VL-8B-Thinking", "amodal", 8, 2),
    "internvl3/1b_visible_sft.yaml": ("OpenGVLab/InternVL3-1B-hf", "visible", 4, 4),
    "internvl3/2b_visible_sft.yaml": ("OpenGVLab/InternVL3-2B-hf", "visible", 4, 4),
    "internvl3/8b_visible_sft.yaml": ("OpenGVLab/InternVL3-8B-hf", "visible", 4, 4),
    "internvl3/1b_amodal_sft.yaml": ("OpenGVLab/InternVL3-1B-hf", "amodal", 4, 4),
    "internvl3/2b_amodal_sft.yaml": ("OpenGVLab/InternVL3-2B-hf", "amodal", 4, 4),
    "internvl3/8b_amodal_sft.yaml": ("OpenGVLab/InternVL3-8B-hf", "amodal", 4, 4),
}

# File: task, objective, epochs, tokens, KL, entropy, temperature, top-p, top-k, answers in a pass, official reward.
RL = {
    "qwen3_vl/2b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 32, False),
    "qwen3_vl/4b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 32, False),
    "qwen3_vl/8b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 16, False),
    "qwen3_vl/2b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 32, False),
    "qwen3_vl/4b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 32, False),
    "qwen3_vl/8b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.005, 0.0, 0.7, 0.9, 50, 16, False),
    "qwen3_vl/2b_visible_rl_official.yaml": ("visible", "gspo", 3, 2048, 0.005, 0.0, 0.7, 0.9, 50, 32, True),
    "qwen3_vl/4b_visible_rl_official.yaml": ("visible", "gspo", 3, 2048, 0.005, 0.0, 0.7, 0.9, 50, 16, True),
    "qwen3_vl/8b_visible_rl_official.yaml": ("visible", "gspo", 3, 2048, 0.005, 0.0, 0.7, 0.9, 50, 8, True),
    "internvl3/1b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/2b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/8b_visible_rl.yaml": ("visible", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/1b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/2b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/8b_amodal_rl.yaml": ("amodal", "grpo", 5, 1024, 0.0, 0.01, 0.7, 0.7, 0, 4, False),
    "internvl3/1b_visible_rl_official.yaml": ("visible", "gspo", 5, 4096, 0.0, 0.01, 1.0, 0.9, 0, 4, True),
    "internvl3/2b_visible_rl_official.yaml": ("visible", "gspo", 5, 4096, 0.0, 0.01, 1.0, 0.9, 0, 4, True),
    "internvl3/8b_visible_rl_official.yaml": ("visible", "gspo", 5, 4096, 0.0, 0.01, 1.0, 0.9, 0, 4, True),
}

# Files that are not the paper's, and the file that each follows.
PRICED = {"qwen3_vl/8b_visible_rl_price.yaml": "qwen3_vl/8b_visible_rl.yaml"}

SELECT = {
    "qwen3_vl/2b_visible_select.yaml": "qwen3_vl",
    "qwen3_vl/4b_visible_select.yaml": "qwen3_vl",
    "qwen3_vl/8b_visible_select.yaml": "qwen3_vl",
    "internvl3/1b_visible_select.yaml": "internvl3",
    "internvl3/2b_visible_select.yaml": "internvl3",
    "internvl3/8b_visible_select.yaml": "internvl3",
}

PARAMETERS = {
    # The hub's counts.
    "Qwen/Qwen3-VL-2B-Thinking": 2_127_532_032,
    "Qwen/Qwen3-VL-4B-Thinking": 4_437_815_808,
    "Qwen/Qwen3-VL-8B-Thinking": 8_767_123_696,
    # Published as 0.94, 2.09 and 7.94 billion.
    "OpenGVLab/InternVL3-1B-hf": 938_193_024,
    "OpenGVLab/InternVL3-2B-hf": 2_088_957_440,
    "OpenGVLab/InternVL3-8B-hf": 7_944_373_760,
}


def test_the_tables_here_have_every_file_of_the_families() -> None:
    there = {
        p.relative_to(TRAINING).as_posix() for f in ("qwen3_vl", "internvl3") for p in (TRAINING / f).glob("*_*.yaml")
    }
    bases = {f"{f}/rl_official.yaml" for f in ("qwen3_vl", "internvl3")}
    assert there - bases == {*SFT, *RL, *PRICED, *SELECT}


STAGE_FILES = sorted(path for path in TRAINING.rglob("*.yaml") if path.parent.name != "accelerate")


@pytest.mark.parametrize("path", STAGE_FILES, ids=lambda p: p.relative_to(TRAINING).as_posix())
def test_every_file_loads(path: Path) -> None:
    (stage,) = [stage for stage in STAGES if stage in path.stem.split("_")]
    module, kind, _ = STAGES[stage]
    load(getattr(import_module(module), kind), path)


@pytest.mark.parametrize("name", SFT)
def test_sft_has_the_papers_values(name: str) -> None:
    model, task, batch, accumulation = SFT[name]
    config = load(SFTStageConfig, TRAINING / name)
    assert (config.model, config.tasks, config.freeze_vision, config.lora_rank) == (model, [task], True, 0)
    assert batch * accumulation * GPUS == 128
    made = sft_arguments(config, on_cpu=True)
    assert (made.per_device_train_batch_size, made.gradient_accumulation_steps) == (batch, accumulation)
    slow = name.startswith("qwen3_vl") or "/1b" in name
    assert (made.learning_rate, made.num_train_epochs, made.warmup_steps) == (1e-5 if slow else 2e-5, 1, 0.03)
    decay = 0.0 if name.startswith("qwen3_vl") else 0.05
    assert (made.lr_scheduler_type, made.weight_decay, made.max_grad_norm) == ("cosine", decay, 1.0)
    assert (made.completion_only_loss, made.max_length, made.save_steps) == (True, None, 50)


@pytest.mark.parametrize("name", RL)
def test_rl_has_the_papers_values(name: str) -> None:
    task, objective, epochs, tokens, kl, entropy, temperature, top_p, top_k, micro_batch, official = RL[name]
    config = load(RLConfig, TRAINING / name)
    assert (config.tasks, config.objective, config.official_pixels) == ([task], objective, official)
    assert (config.success_weight, config.rollout, config.lora_rank) == (0.5, "colocate", 0)
    assert (config.token_price, config.direct_share) == (0, 0)
    assert accumulation(replace(config, processes=GPUS)) * micro_batch * GPUS == 256 * 16
    made = grpo_arguments(config, on_cpu=True)
    assert (made.learning_rate, made.lr_scheduler_type, made.warmup_steps) == (3e-6, "cosine", 30)
    assert (made.num_train_epochs, made.max_completion_length, made.vllm_max_model_length) == (epochs, tokens, 32768)
    assert (made.beta, made.entropy_coef, made.epsilon, made.weight_decay) == (kl, entropy, 0.2, 0.01)
    assert (made.temperature, made.top_p, made.top_k) == (temperature, top_p, top_k)
    assert (made.num_generations, made.per_device_train_batch_size) == (16, micro_batch)
    assert made.per_device_train_batch_size * made.gradient_accumulation_steps == made.generation_batch_size
    assert made.generation_batch_size == 256 * 16
    assert (made.use_bias_correction_kl, made.vllm_importance_sampling_correction) == (False, False)
    level, loss = ("sequence", "grpo") if objective == "gspo" else ("token", "dapo")
    assert (made.importance_sampling_level, made.loss_type, made.scale_rewards) == (level, loss, "group")
    assert (made.use_vllm, made.vllm_mode, made.num_iterations) == (True, "colocate", 1)


@pytest.mark.parametrize("name", PRICED)
def test_a_price_changes_what_it_must(name: str) -> None:
    config, before = load(RLConfig, TRAINING / name), load(RLConfig, TRAINING / PRICED[name])
    changed = {f.name for f in fields(RLConfig) if getattr(config, f.name) != getattr(before, f.name)}
    assert changed == {"model", "output", "name", "token_price", "direct_share"}
    assert config.model == f"{before.output}/final"


@pytest.mark.parametrize("name", SELECT)
def test_selection_is_the_papers(name: str) -> None:
    config = load(SelectConfig, TRAINING / name)
    assert (config.easy, config.seed, config.reference_on, config.tasks) == ("uniform", 42, "all", ["visible"])
    assert (config.learner_family, config.reference_family) == (SELECT[name], "internvl3")


def test_each_stage_takes_up_what_the_one_before_leaves() -> None:
    for name, (task, *_) in RL.items():
        config = load(RLConfig, TRAINING / name)
        stem = name.split("_rl")[0]
        before = load(SFTStageConfig, TRAINING / f"{stem}_sft.yaml")
        assert config.model == f"{before.output}/final"
        if task == "amodal":
            assert config.data == before.data
            continue
        chosen = load(SelectConfig, TRAINING / f"{stem}_select.yaml")
        assert chosen.data == before.data
        assert config.data == [f"{chosen.output}/samples.jsonl"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_real_models_build_without_weights(name: str) -> None:
    config = architecture(name)
    model = on_meta(config)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    assert {p.device.type for p in model.parameters()} == {"meta"}
    frozen = sizes(config).vision
    assert 300_000_000 < frozen < 420_000_000


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    rng = np.random.default_rng(0)
    made = []
    for i in range(4):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))
        box = (10.0, 20.0, 60.0, 90.0)
        made.append(
            Sample(f"{folder}/{i}.png", "the red mug", box, box, 1.0, 96, 128, "The mug is there.", "", "", "The mug.")
        )
    write_samples(folder / "samples.jsonl", made)
    return folder / "samples.jsonl"


def own(model: Path, samples: Path, output: Path, *changes: str) -> list[str]:
    """What stands in for the real model, data and machine; all else is the file's."""
    common = [
        f"model={model}",
        f"data=[{samples}]",
        f"output={output}",
        "max_steps=1",
        "logging_steps=1",
    ]
    return [*common, *changes]


@pytest.mark.parametrize(
    ("name", "fixture"),
    [
        ("qwen3_vl/2b_visible_sft.yaml", "random_qwen"),
        ("internvl3/2b_amodal_sft.yaml", "random_internvl"),
        ("robot/sft.yaml", "random_qwen"),
    ],
)
def test_sft_takes_one_step(name: str, fixture: str, samples: Path, tmp_path: Path, request: Any) -> None:
    words = own(request.getfixturevalue(fixture), samples, tmp_path, "batch=2", "accumulation=1")
    config = load(SFTStageConfig, TRAINING / name, words)
    assert config.workers == 4, "the loader's processes are part of what is shipped"
    final = sft(config)
    info = load_info(final)
    assert info.name == config.name and list(info.tasks) == config.tasks
    assert np.isfinite(logged(tmp_path, "loss")).all()


@pytest.mark.parametrize(
    ("name", "fixture"),
    [
        ("qwen3_vl/2b_visible_rl.yaml", "random_qwen"),
        ("qwen3_vl/2b_visible_rl_official.yaml", "random_qwen"),
        ("internvl3/2b_amodal_rl.yaml", "random_internvl"),
    ],
)
def test_rl_takes_one_step(name: str, fixture: str, samples: Path, tmp_path: Path, request: Any) -> None:
    small = ["prompts=2", "generations=2", "micro_batch=4", "max_tokens=8", "rollout=transformers"]
    final = rl(load(RLConfig, TRAINING / name, own(request.getfixturevalue(fixture), samples, tmp_path, *small)))
    info = load_info(final)
    assert info.name == load(RLConfig, TRAINING / name).name and info.tasks == (RL[name][0],)
    assert np.isfinite(logged(tmp_path, "loss")).all()


def logged(folder: Path, key: str) -> list[float]:
    """Read what a run logged under a key; at least once."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    values = [line[key] for line in lines if key in line]
    assert values
    return values


def test_the_examples_conversion_makes_records(tmp_path: Path) -> None:
    base = Sample(str(tmp_path / "a.jpg"), "dog", (0, 10, 50, 40), (0, 10, 50, 60), 0.6, 60, 80, annotation_id="1-2")
    write_samples(tmp_path / "regions.jsonl", [base, replace(base, sent="grass", annotation_id="1-1")])
    (tmp_path / "texts.json").write_text(json.dumps({"1-2": ("the dog behind the box", "It goes on below.")}))
    files = [str(tmp_path / name) for name in ("regions.jsonl", "texts.json", "s.jsonl")]
    subprocess.run([sys.executable, ROOT / "examples" / "coco_amodal.py", *files], cwd=ROOT, check=True)
    (sample,) = read_samples(tmp_path / "s.jsonl")
    assert (sample.amodal_bbox, sample.sent) == ((0.0, 10.0, 50.0, 60.0), "the dog behind the box")
    assert sample.amodal_reasoning == "It goes on below."
    assert sample.asks("amodal") and not sample.asks("visible")


def test_the_guide_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "guides" / "training.md").read_text()
    named = set(re.findall(r"training/([\w/]+\.yaml)", text))
    assert named and not [name for name in named if not (TRAINING / name).is_file()]
    stages = set(re.findall(r"(?:egm|-m egm_core\.)[ ]?train (\w+)", text))
    assert stages == {"plan", "pretrain", "sft", "select", "rl"}


def test_the_embedded_models_reinforcement_learning_is_the_papers_but_for_batch_rate_and_sampling() -> None:
    own, paper = (load(RLConfig, TRAINING / file) for file in ("egm_tiny/rl.yaml", "qwen3_vl/2b_visible_rl.yaml"))
    for name in ("ratio_clip", "kl", "entropy", "success_weight", "objective", "official_pixels", "scheduler"):
        assert getattr(own, name) == getattr(paper, name), name
    assert accumulation(own) == 1 and own.tasks == ["visible", "amodal"]
    # Nothing is cut off, so the probabilities of the objective are those that were drawn from.
    assert (own.temperature, own.top_p, own.top_k) == (0.6, 1.0, 0)
    chosen, more = (
        load(SelectConfig, TRAINING / "egm_tiny/select.yaml"),
        load(RLConfig, TRAINING / "egm_tiny/rl_more.yaml"),
    )
    assert (own.model, own.data) == (chosen.learner, [f"{chosen.output}/samples.jsonl"])
    assert more.model == f"{own.output}/final" and more.data[:1] == own.data
