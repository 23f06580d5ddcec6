"""Planning: samples and steps counted by hand, memory against arithmetic, refusals that name a remedy that works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.sample import Sample, write_samples
from egm_core.servers.machine import Gpu
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError
from egm_core.train.plan.architectures import Picture, Sizes, architecture, picture
from egm_core.train.plan.memory import (
    GIB,
    Load,
    Rollout,
    key_value_bytes,
    needs,
    peak,
    trained_parameters,
    vllm_sequences,
)
from egm_core.train.plan.plan import plan

TRAINING = Path(__file__).parents[4] / "training"
SIZES = Sizes(
    parameters=2_000, vision=500, embedding=100, block=50, width=8, depth=3, heads=2, kv_heads=1, head_dim=4,
    feed_forward=16, vocabulary=100, vision_width=8, vision_depth=2, vision_feed_forward=16,
    linear=(("q_proj", 8, 8), ("down_proj", 16, 8), ("something_else", 8, 8)),
)  # fmt: skip
LOAD = Load(SIZES, Picture(4, 16, 1000), gpus=1, sharding="none", batch=2, prompt_tokens=10, completion_tokens=6)


def at(load: Load, what: str, gpu: float = 0) -> float:
    """Bytes of the one line that begins so."""
    (found,) = [need.bytes for need in needs(load, gpu) if need.what.startswith(what)]
    return found


def test_memory_is_the_arithmetic_of_its_parts() -> None:
    assert (at(LOAD, "weights"), at(LOAD, "gradients"), at(LOAD, "optimiser")) == (8000, 6000, 12000)
    cut = replace(LOAD, gpus=4, sharding="fsdp2")
    assert (at(cut, "weights"), at(cut, "gradients"), at(cut, "optimiser")) == (2000, 1500, 3000)
    some = replace(LOAD, gpus=4, sharding="zero2")
    assert (at(some, "weights"), at(some, "gradients"), at(some, "optimiser")) == (8000, 1500, 3000)
    adapters = replace(LOAD, lora_rank=2)
    assert trained_parameters(adapters) == 2 * (16 + 24)
    assert at(adapters, "weights") == 8000 + 4 * 80
    assert at(replace(LOAD, batch=4), "activations") == 2 * at(LOAD, "activations")
    assert at(replace(LOAD, checkpointing=False), "activations") > at(LOAD, "activations")
    assert at(replace(LOAD, frozen_vision=False), "gradients") == 8000


def test_a_rollout_holds_pictures_and_shares_the_gpu() -> None:
    assert key_value_bytes(SIZES) == 2 * 3 * 1 * 4 * 2
    asking = replace(LOAD, rollout=Rollout("transformers", completions=32, reference=True))
    assert at(asking, "pictures of 32") == 32_000
    assert at(asking, "keys and values") == 32 * 16 * 48
    assert at(asking, "reference") == 8000
    awake = replace(LOAD, rollout=Rollout("colocate", completions=32, share=0.25))
    asleep = replace(LOAD, rollout=Rollout("colocate", completions=32, share=0.25, sleep=True))
    big = 1e6
    assert at(awake, "vLLM", big) == at(asleep, "vLLM", big) == 250_000
    assert peak(needs(awake, big)) > peak(needs(asleep, big)) >= 250_000
    assert vllm_sequences(LOAD, big) is None
    assert vllm_sequences(awake, 5 * GIB) == 0 and vllm_sequences(awake, 80 * GIB) == 256


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 640 x 480 in cells of 32: 20 x 15. Patches of 16, of 3 x 2 x 16 x 16 floats.
        ("Qwen/Qwen3-VL-8B-Thinking", Picture(300, 1200, 1200 * 1536 * 4)),
        # 4 x 3 tiles of 448 and a thumbnail, 256 tokens each.
        ("OpenGVLab/InternVL3-2B-hf", Picture(3328, 13 * 1024, 13 * 3 * 448 * 448 * 4)),
    ],
)
def test_a_pictures_cost_is_its_processors(name: str, expected: Picture) -> None:
    assert picture(name, architecture(name), 480, 640) == expected


def test_the_papers_run_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    text = plan(TRAINING / "qwen3_vl" / "8b_visible_rl.yaml", ["plan.samples=83989"])
    # The model that SFT has yet to leave is followed to its base.
    assert "Qwen/Qwen3-VL-8B-Thinking: 8,767,123,696 parameters, 8,767,123,696 of them trained" in text
    assert "256 prompts x 16 answers: 32 micro-batches of 16 on each of 8 GPUs" in text
    assert "1,640, 328 an epoch, 5 epochs" in text
    text = plan(TRAINING / "qwen3_vl" / "2b_visible_sft.yaml", ["plan.samples=575208"])
    assert "128 samples: batch 16 x accumulation 1 x 8 GPUs" in text and "steps      4,494," in text


def test_a_plan_without_samples_says_how_to_get_steps_and_hours() -> None:
    text = plan(TRAINING / "qwen3_vl" / "2b_visible_sft.yaml", [])
    assert "samples whose number is not known here; plan.samples=N" in text
    assert "hours      steps x seconds a step / 3600" in text and "max_steps=20" in text


def test_what_cannot_fit_is_refused_and_the_remedy_works(capsys: pytest.CaptureFixture[str]) -> None:
    file = TRAINING / "qwen3_vl" / "2b_visible_sft.yaml"
    small = ["plan.gpus=1", "plan.gpu_gib=24"]
    assert main(["plan", "--config", str(file), *small]) == 2
    words = capsys.readouterr().err
    assert "does not fit on 1 GPU of 24 GiB" in words
    remedy = words.split("it would fit with ")[1].split(", or ")[0].split()
    kept = [word for word in small if word.split("=")[0] not in {r.split("=")[0] for r in remedy}]
    assert "at the peak" in plan(file, [*kept, *remedy])


@pytest.mark.parametrize("file", ["robot/sft.yaml", "robot/rl.yaml"])
def test_a_robot_team_fits_on_one_small_gpu(file: str) -> None:
    text = plan(TRAINING / file, ["plan.gpu_gib=24", "plan.samples=5000"])
    assert "(LoRA, rank 16)" in text and "memory on each of 1 " in text


def test_data_that_is_here_is_counted_and_its_pictures_measured(tmp_path: Path) -> None:
    box = (10.0, 20.0, 60.0, 90.0)
    both = Sample(str(tmp_path / "a.png"), "the mug", box, box, 1.0, 168, 224, "There.", "", "", "There.")
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(0).integers(0, 256, (168, 224, 3), np.uint8))
    write_samples(tmp_path / "s.jsonl", [both, replace(both, amodal_bbox=None), replace(both, task="amodal")])
    file = tmp_path / "mine.yaml"
    file.write_text(f"model: egm_tiny\ndata: [{tmp_path}/s.jsonl]\nbatch: 2\naccumulation: 1\n")
    with pytest.raises(ConfigurationError, match=r"plan\.stage=sft"):
        (tmp_path / "any.yaml").write_text("model: egm_tiny\n")
        plan(tmp_path / "any.yaml", [])
    # One picture thrice: a record that stands there again is said, and refused unless the user allows it.
    allowed = ["tolerate.duplicate=1", f"output={tmp_path}/run"]
    with pytest.raises(ConfigurationError, match="more than once"):
        plan(file, allowed[1:])
    text = plan(file, allowed)
    assert "mine.yaml (sft)" in text and "samples    4 from" in text and "224 x 168" in text and "steps      2," in text

    small = [*allowed, "prompts=2", "generations=4", "micro_batch=8", "max_steps=3"]
    asking = plan(tmp_path / "any.yaml", ["plan.stage=rl", f"data=[{tmp_path}/s.jsonl]", *small])
    assert "any.yaml (rl)" in asking and "samples    4 from" in asking and "steps      3," in asking


@pytest.mark.parametrize("file", sorted((TRAINING / "egm_tiny").glob("*.yaml")), ids=lambda p: p.name)
def test_the_embedded_models_files_are_planned(file: Path) -> None:
    stage = file.stem.split("_")[0]
    # The model of a stage is what the one before leaves, which is not there yet.
    model = ["model=egm_tiny"] if stage in ("sft", "rl") else []
    assert plan(file, ["plan.samples=1000", *model]).startswith(f"{file} ({stage})")


def test_verl_is_planned_with_its_own_settings() -> None:
    text = plan(TRAINING / "qwen3_vl" / "8b_visible_rl.yaml", ["engine=verl", "verl.nodes=2", "plan.samples=83989"])
    assert "by verl on 16 GPUs" in text and "1,640, 328 an epoch" in text
    assert "logits" in text and "vLLM's share, 80%" in text


def test_wrong_words_are_named() -> None:
    file = TRAINING / "qwen3_vl" / "2b_visible_sft.yaml"
    with pytest.raises(ConfigurationError, match="did you mean 'gpus'"):
        plan(file, ["plan.gpu=2"])
    with pytest.raises(ConfigurationError, match="did you mean 'learning_rate'"):
        plan(file, ["learning_rat=1"])
    with pytest.raises(ConfigurationError, match=r"did you mean 'Qwen/Qwen3-VL-2B-Thinking'"):
        plan(file, ["model=Qwen/Qwen3-VL-2B-Thinkin"])


@pytest.mark.parametrize(
    ("lines", "overrides", "words"),
    [
        ("learning_rat: 1e-5", [], ["sft does not know 'learning_rat' (did you mean 'learning_rate'?)", "rl does not"]),
        ("batch: 2\ncheckpoint_layer: 3", [], ["sft does not know 'checkpoint_layer'; select does not know 'check"]),
        (
            "batch: 2\naccumulation: 1\nlora_rank: 8",
            ["warmpu=1"],
            ["sft does not know 'warmpu' (did you mean 'warmup'?)"],
        ),
        ("batch: 0\naccumulation: 1\ncompletion_only: 1", [], ["sft does not know 'completion_only'"]),
    ],
)
def test_a_file_that_no_stage_takes_is_told_what_each_stage_does_not_know(
    tmp_path: Path, lines: str, overrides: list[str], words: list[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"data: [x.jsonl]\n{lines}\n")
    with pytest.raises(ConfigurationError) as refused:
        plan(file, overrides)
    said = str(refused.value)
    assert said.startswith(f"{file}: no stage takes it: ") and all(word in said for word in words), said
    assert said.endswith("; say which stage it is for, as in plan.stage=sft") and "\n" not in said


def test_the_nearest_stage_comes_first_and_a_wrong_value_counts_as_near(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: [x.jsonl]\nbatch: 0\naccumulation: 1\n")
    with pytest.raises(ConfigurationError, match=r"no stage takes it: sft: .*mine.yaml:2: batch is 0; it must be"):
        plan(file, [])


def test_a_plan_says_which_machine_it_is_for_and_how_to_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    file = TRAINING / "robot/sft.yaml"
    monkeypatch.setattr("egm_core.train.plan.machine.gpus", lambda: ())
    told = plan(file, ["plan.samples=5000"])
    assert "machine    1 GPU of 80 GiB, assumed; this one has no GPU. Name yours: plan.gpus=1 plan.gpu_gib=24" in told
    monkeypatch.setattr("egm_core.train.plan.machine.gpus", lambda: (Gpu("RTX 4090", 24.0), Gpu("Orin", 0.0)))
    assert "this one has RTX 4090 of 24 GiB, Orin." in plan(file, ["plan.samples=5000"])
    named = plan(file, ["plan.samples=5000", "plan.gpus=1", "plan.gpu_gib=24"])
    assert "\nmachine    1 GPU of 24 GiB\n" in named
