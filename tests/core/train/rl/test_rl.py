"""Reinforcement learning: TRL's trainer on sample records, shared prompts that change nothing, resume, refusals."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest
import torch
import yaml
from prepared_run import built
from transformers import AutoModelForImageTextToText

import egm_core.train.rl.stage as rl_module
from egm_core.families import family
from egm_core.models.folder import load_info
from egm_core.sample import Sample, write_samples
from egm_core.train.configuration import ConfigurationError
from egm_core.train.rl.config import RLConfig, accumulation
from egm_core.train.rl.prefix import Drawing, sample
from egm_core.train.rl.questions import questions
from egm_core.train.rl.stage import grpo_arguments, rl
from egm_core.train.rl.trainer import collapse_image_runs, image_tokens
from egm_core.train.run.callbacks import RunStopped
from egm_core.train.run.folder import whole_checkpoint
from egm_core.train.sft.stage import chat_start, rows

SENTS = ("the red mug", "the blue box and the red mug", "the green dragon")
STEPS = 4
PATIENCE = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two shapes; random answers hit large boxes now and then, so that there is something to learn."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(6):
        width, height = ((96, 64), (64, 128))[i % 2]
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (height, width, 3), np.uint8))
        box = None if i == 4 else (2.0, 2.0, width * 0.7, height - 2.0)
        amodal = None if i == 4 else (2.0, 2.0, width - 2.0, height - 2.0)
        samples.append(Sample(str(folder / f"{i}.png"), SENTS[i % 3], box, amodal, None, height, width))
    write_samples(folder / "samples.jsonl", samples)
    return folder / "samples.jsonl"


def settings(model: Path, data: Path, output: Path, **changes: Any) -> RLConfig:
    values: dict[str, Any] = {
        "model": str(model), "data": [str(data)], "output": str(output), "name": "tuned", "learning_rate": 1e-2,
        "warmup": 0, "prompts": 4, "generations": 4, "micro_batch": 16, "max_tokens": 12, "max_steps": STEPS,
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "save_steps": 2, "logging_steps": 1, "report_to": [],
        "kl": 0.05, "entropy": 0.01,
    }  # fmt: skip
    return RLConfig(**{**values, **changes})


def start(config: RLConfig) -> subprocess.Popen[str]:
    """Start the command line that a user would."""
    file = Path(config.output).with_suffix(".yaml")
    file.write_text(yaml.safe_dump(dataclasses.asdict(config)))
    command = [sys.executable, "-m", "egm_core.train", "rl", "--config", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "loss" in row]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict())


def changed(one: Path, two: Path) -> set[str]:
    before, after = weights(one), weights(two)
    assert before.keys() == after.keys()
    return {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}


@pytest.fixture(scope="module")
def uninterrupted(random_qwen: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "run"
    rl(settings(random_qwen, data, output))
    return output


def test_learns_and_leaves_a_model_folder(random_qwen: Path, uninterrupted: Path) -> None:
    info = load_info(uninterrupted / "final")
    assert (info.name, info.family, info.tasks) == ("tuned", "qwen3_vl", ("visible", "amodal"))
    moved = changed(random_qwen, uninterrupted / "final")
    # Training pads on the left; the folder keeps its model's own way.
    sides = [json.loads((f / "tokenizer_config.json").read_text()) for f in (random_qwen, uninterrupted / "final")]
    assert sides[0].get("padding_side") == sides[1].get("padding_side")
    assert any("language_model" in name for name in moved) and any("merger" in name for name in moved)
    assert not any(".visual.blocks" in name or "patch_embed" in name for name in moved)
    log = logged(uninterrupted)
    assert [row["step"] for row in log] == list(range(1, STEPS + 1))
    for name in ("reward", "accuracy", "completions/mean_length", "entropy", "kl", "absent", "malformed", "iou"):
        assert all(np.isfinite(row[name]) for row in log), name
    # On the first step the policy is the reference; then it leaves it.
    assert log[0]["kl"] == pytest.approx(0, abs=1e-6) and log[-1]["kl"] > 1e-4
    assert any(row["reward"] > 0 for row in log) and all(row["grad_norm"] > 0 for row in log)


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    random_qwen: Path, data: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    output = tmp_path / "run"
    with start(settings(random_qwen, data, output)) as process:
        end = time.monotonic() + PATIENCE
        while whole_checkpoint(output) is None:
            assert process.poll() is None and time.monotonic() < end, process.stderr and process.stderr.read()
            time.sleep(0.002)
        process.kill()
    assert not (output / "final").exists(), "the run was to be killed in its middle"
    rl(settings(random_qwen, data, output))
    expected = {row["step"]: (row["loss"], row["grad_norm"], row["reward"]) for row in logged(uninterrupted)}
    assert {row["step"]: (row["loss"], row["grad_norm"], row["reward"]) for row in logged(output)} == expected
    assert not changed(uninterrupted / "final", output / "final")


def test_internvl_learns_and_adapters_are_merged(random_internvl: Path, data: Path, tmp_path: Path) -> None:
    final = rl(settings(random_internvl, data, tmp_path / "run", lora_rank=4, max_steps=1))
    assert load_info(final).family == "internvl3"
    moved = changed(random_internvl, final)
    assert moved and all("language_model" in name and "_proj" in name for name in moved)


@pytest.mark.parametrize("name", ["random_qwen", "random_internvl"])
def test_shared_prompts_change_neither_loss_nor_gradient(
    name: str, request: pytest.FixtureRequest, data: Path, tmp_path: Path
) -> None:
    model: Path = request.getfixturevalue(name)
    found = []
    for shared in (True, False):
        trainer = built(settings(model, data, tmp_path, share_prompts=shared, freeze_vision=False), tmp_path)
        assert trainer.shared is shared
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.train()
        if shared:
            asked = [trainer.train_dataset[i] for i in (0, 1, 8, 3) for _ in range(4)]
            batch = trainer._generate_and_score_completions(asked)
            del batch["ref_per_token_logps"]
            batch["advantages"] = torch.linspace(-1, 1, 16)
            order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            batch["ref_per_token_logps"] = _reference(trainer, batch)
        inputs = _shuffled(batch, order)
        loss = trainer.compute_loss(trainer.model, inputs)
        loss.backward()
        gradient = {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}
        found.append((loss.detach(), gradient, batch["ref_per_token_logps"]))
    (loss, gradient, reference), (plain_loss, plain_gradient, plain_reference) = found
    torch.testing.assert_close(loss, plain_loss, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(reference, plain_reference, atol=2e-4, rtol=1e-4)
    assert gradient.keys() == plain_gradient.keys() and any("vis" in n for n in gradient)
    for n, tensor in gradient.items():
        torch.testing.assert_close(tensor, plain_gradient[n], atol=1e-5, rtol=2e-3, msg=n)


def _reference(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    pictures = ("pixel_values", "image_grid_thw", "mm_token_type_ids", "num_images", "num_tiles")
    logps, _, _ = trainer._get_per_token_logps_and_entropies(
        trainer.ref_model,
        torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
        torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
        batch["completion_ids"].shape[1],
        batch_size=8,
        **{k: batch[k] for k in pictures if k in batch},
    )
    return logps  # type: ignore[no-any-return]


def _shuffled(batch: dict[str, Any], order: torch.Tensor) -> dict[str, Any]:
    """Put the rows into another order, as the trainer does before it cuts micro-batches."""
    from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

    apart = split_pixel_values_by_grid(copy.copy(batch))
    moved = {
        k: v if isinstance(v, torch.Tensor) and v.ndim == 0 else v[order] if isinstance(v, torch.Tensor) else
        [v[i] for i in order]
        for k, v in apart.items()
    }  # fmt: skip
    return dict(unsplit_pixel_values_by_grid(moved))


@pytest.mark.parametrize("name", ["memorising_qwen", "memorising_internvl"])
def test_draws_what_generate_draws(name: str, request: pytest.FixtureRequest, data: Path) -> None:
    from transformers import AutoProcessor

    folder: Path = request.getfixturevalue(name)
    processor = AutoProcessor.from_pretrained(folder, padding_side="left")
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    speaker = family(load_info(folder).family)
    pictures = [cv2.imread(str(data.parent / f"{i}.png"))[..., ::-1].copy() for i in (0, 1, 2)]
    asked = [("the red mug", "visible"), ("the green dragon", "visible"), ("the red mug", "amodal")]
    texts = [chat_start(processor).replace("{prompt}", speaker.prompt(sent, task)) for sent, task in asked]
    prompts = dict(processor(images=[[p] for p in pictures], text=texts, padding=True, return_tensors="pt"))
    ends = processor.tokenizer.eos_token_id
    whole = model.generate(**prompts, max_new_tokens=96, do_sample=False, eos_token_id=ends)
    greedy = whole[:, prompts["input_ids"].shape[1] :]
    expected = []
    for answer in greedy.tolist():
        expected.append(answer[: answer.index(ends) + 1] if ends in answer else answer)
    assert len({len(answer) for answer in expected}) > 1, "answers must end at different moments"
    # With the likeliest token alone to choose from, drawing is greedy; rows ask for 0, 0, 1, 2, 2, 2.
    drawing = Drawing(1.0, 1.0, 1, 96, (ends,), image_tokens(model.config))
    rows_asked = [0, 0, 1, 2, 2, 2]
    assert sample(model, prompts, rows_asked, drawing) == [expected[row] for row in rows_asked]
    short = Drawing(1.0, 1.0, 1, 3, (ends,), ())
    assert sample(model, prompts, [1, 0], short) == [expected[1][:3], expected[0][:3]]


def test_drawing_follows_temperature_top_k_and_top_p() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0, 3.0]])

    def chances(**changes: Any) -> list[float]:
        values = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_tokens": 1, "ends": (), "banned": ()}
        drawing = Drawing(**{**values, **changes})  # type: ignore[arg-type]
        return [round(float(v), 4) for v in drawing.processors()(None, scores.clone()).softmax(-1)[0]]

    assert chances() == [0.0321, 0.0871, 0.2369, 0.6439]
    assert chances(temperature=0.5) == [0.0021, 0.0158, 0.1171, 0.865]
    assert chances(top_k=2) == [0, 0, 0.2689, 0.7311]
    assert chances(top_p=0.85) == [0, 0, 0.2689, 0.7311]
    assert chances(banned=(3,)) == [0.09, 0.2447, 0.6652, 0]


@pytest.mark.parametrize("name", ["random_qwen", "random_internvl"])
def test_asks_in_the_words_of_sft_and_undoes_the_expansion_of_images(
    name: str, request: pytest.FixtureRequest, data: Path, tmp_path: Path
) -> None:
    trainer = built(settings(request.getfixturevalue(name), data, tmp_path), tmp_path)
    processor = trainer.processing_class
    known = Sample(str(data.parent / "0.png"), "the red mug", (1, 1, 9, 9), (1, 1, 9, 9), None, 64, 96)
    speaker = family(load_info(request.getfixturevalue(name)).family)
    text = [row["prompt"] for row in rows([known], speaker, ["visible", "amodal"], chat_start(processor), "")]
    from trl.data_utils import prepare_multimodal_messages

    picture = cv2.imread(known.image)[..., ::-1].copy()
    asked = [row["prompt"] for row in questions([known], speaker, ["visible", "amodal"])]
    ids, _, _ = trainer._tokenize_prompts([prepare_multimodal_messages(p, [picture]) for p in asked])
    for one, written in zip(ids, text, strict=True):
        expanded = processor(images=[picture], text=[written])["input_ids"][0]
        assert list(one) == list(expanded)
        assert collapse_image_runs(one, processor) == processor.tokenizer(written)["input_ids"]
        assert len(collapse_image_runs(one, processor)) < len(one)


def test_questions_are_one_a_task_and_know_absent_objects() -> None:
    speaker = family("qwen3_vl")
    known = Sample("a.png", "the mug", (0, 0, 33, 50), (0, 0, 100, 50), 0.5, 100, 100)
    unknown = Sample("b.png", "the can", (0, 0, 50, 50), None, None, 100, 100)
    absent = Sample("c.png", "the cat", None, None, None, 50, 100)
    chosen = Sample("d.png", "the jar", (0, 0, 50, 50), (0, 0, 50, 50), 1.0, 100, 200, task="amodal")
    made = list(questions([known, unknown, absent, chosen], speaker, ["visible", "amodal"]))
    assert [(row["image"], row["task"], row["truth"]) for row in made] == [
        ("a.png", "visible", [0, 0, 330, 500]),
        ("a.png", "amodal", [0, 0, 1000, 500]),
        ("b.png", "visible", [0, 0, 500, 500]),
        ("c.png", "visible", None),
        ("c.png", "amodal", None),
        ("d.png", "amodal", [0, 0, 250, 500]),
    ]
    assert made[1]["prompt"] == [
        {"role": "user", "content": "Locate the mug amodally, output its bbox coordinates using JSON format"}
    ]
    thirds = Sample("a.png", "the mug", (0, 0, 1, 2), None, None, 3, 3)
    assert next(questions([thirds], speaker, ["visible"]))["truth"] == pytest.approx([0, 0, 1000 / 3, 2000 / 3])
    assert next(questions([thirds], speaker, ["visible"], whole=True))["truth"] == [0, 0, 333, 667]


def test_arguments_are_the_papers_objective() -> None:
    config = RLConfig(data=["x"], rollout="colocate", report_to=[])
    a = grpo_arguments(config, banned=(7, 9), on_cpu=True)
    assert (a.loss_type, a.scale_rewards, a.importance_sampling_level, a.num_iterations) == (
        "dapo",
        "group",
        "token",
        1,
    )
    assert (a.epsilon, a.epsilon_high, a.beta, a.entropy_coef, a.delta) == (0.2, None, 0.005, 0.0, None)
    assert a.use_bias_correction_kl is False and a.vllm_importance_sampling_correction is False
    assert (a.num_generations, a.per_device_train_batch_size, a.gradient_accumulation_steps) == (16, 32, 128)
    assert (a.steps_per_generation, a.generation_batch_size, a.max_completion_length) == (128, 4096, 1024)
    assert (a.learning_rate, str(a.lr_scheduler_type.value), a.warmup_steps) == (3e-6, "cosine", 30)
    assert (a.temperature, a.top_p, a.top_k, a.num_train_epochs) == (0.7, 0.9, 50, 5)
    assert (a.use_vllm, a.vllm_mode, a.generation_kwargs) == (True, "colocate", {"logit_bias": {7: -100.0, 9: -100.0}})
    official = grpo_arguments(RLConfig(data=["x"], objective="gspo", report_to=[]), on_cpu=True)
    assert (official.loss_type, official.importance_sampling_level) == ("grpo", "sequence")
    assert official.use_vllm is False and official.generation_kwargs is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": 3, "generations": 5, "micro_batch": 4}, "divides 15"),
        ({"prompts": 8, "micro_batch": 8, "steps_per_generation": 3}, "steps_per_generation is 3"),
        ({"prompts": 8, "micro_batch": 2, "steps_per_generation": 1}, "whole groups of 4"),
    ],
)
def test_refuses_batches_that_do_not_come_out_even(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        accumulation(settings(Path("m"), Path("d"), Path("o"), **changes))


def test_refuses_too_few_questions_and_missing_images(random_qwen: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="data is empty"):
        rl(dataclasses.replace(settings(random_qwen, data, tmp_path / "a"), data=[]))
    with pytest.raises(ConfigurationError, match="hold 12 questions"):
        rl(settings(random_qwen, data, tmp_path / "b", prompts=16, micro_batch=64))
    lost = Sample(str(tmp_path / "no.png"), "the red mug", (0, 0, 9, 9), None, None, 64, 64)
    write_samples(tmp_path / "lost.jsonl", [lost])
    with pytest.raises(ConfigurationError, match=r"1 of 1 images can't be used"):
        rl(settings(random_qwen, tmp_path / "lost.jsonl", tmp_path / "c", prompts=1, micro_batch=4))
    with pytest.raises(ConfigurationError, match="share_prompts needs a CPU"):
        rl(settings(random_qwen, data, tmp_path / "d", share_prompts=True, lora_rank=2))


def test_an_exploding_kl_stops_the_run_and_saves_the_batch(random_qwen: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match="KL to the reference"):
        rl(settings(random_qwen, data, tmp_path / "run", kl_limit=1e-6))
    saved = list((tmp_path / "run").glob("bad-batch-*.pt"))
    assert len(saved) == 1
    batch = torch.load(saved[0])
    assert batch["completion_ids"].shape[0] == 16 and "advantages" in batch
    assert not (tmp_path / "run" / "final").exists()


@pytest.mark.slow
def test_two_processes_learn_together(random_qwen: Path, data: Path, tmp_path: Path) -> None:
    config = settings(random_qwen, data, tmp_path / "run", processes=2, micro_batch=8, max_steps=2)
    rl(config)
    assert any("language_model" in name for name in changed(random_qwen, tmp_path / "run" / "final"))
    log = logged(tmp_path / "run")
    assert [row["step"] for row in log] == [1, 2] and all(np.isfinite(row["loss"]) for row in log)


def test_the_answers_of_every_step_are_kept(uninterrupted: Path) -> None:
    kept = [json.loads(line) for line in (uninterrupted / "answers.jsonl").read_text().splitlines()]
    assert [row["step"] for row in kept] == [step for step in range(1, STEPS + 1) for _ in range(8)]
    assert len({row["prompt"] for row in kept}) > 2 and {row["task"] for row in kept} == {"visible", "amodal"}
    speaker = family("qwen3_vl")
    for row in kept:
        read = speaker.parse(row["answer"])
        assert row["strict"] == (read.reason if read.kind == "invalid" else read.kind)
        assert Path(row["file"]).is_file() and 0 <= row["reward"] <= 1 and 0 <= row["iou"] <= 1
        assert row["truth"] is None or len(row["truth"]) == 4
    assert all(0 <= row["strict"] <= 1 for row in logged(uninterrupted))
    sheets = sorted((uninterrupted / "answers").iterdir())
    assert [sheet.name for sheet in sheets] == [f"step-{step:06d}.png" for step in range(1, STEPS + 1)]
    assert cv2.imread(str(sheets[0])).shape[1] > 4 * 200
    whole = pandas.read_parquet(uninterrupted / "completions/completions_00001.parquet")
    assert len(whole) == 16 and {"prompt", "completion", "advantage", "strict", "truth", "file"} <= set(whole.columns)


def test_a_held_out_file_is_asked_and_the_best_checkpoint_kept(
    random_qwen: Path, data: Path, tmp_path: Path, brighter: Callable[[Path], Path]
) -> None:
    held_out = [str(brighter(data))]
    config = settings(random_qwen, data, tmp_path / "run", held_out=held_out, eval_steps=1, max_steps=3)
    final = rl(config)
    rows = [json.loads(line) for line in (final.parent / "metrics.jsonl").read_text().splitlines()]
    rewards = {row["step"]: row["eval_reward"] for row in rows if "eval_reward" in row}
    assert sorted(rewards) == [1, 2, 3]
    assert all({"eval_accuracy", "eval_strict", "eval_malformed"} <= row.keys() for row in rows if "eval_reward" in row)
    best = json.loads((final.parent / "best.json").read_text())
    assert rewards[best["step"]] == max(rewards.values()) == pytest.approx(best["eval_reward"])
    assert whole_checkpoint(final.parent) == final.parent / "checkpoint-3"
    assert (final.parent / f"checkpoint-{best['step']}").is_dir()


def test_a_missing_vllm_is_said_before_anything_is_loaded(
    random_qwen: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rl_module.util.find_spec
    monkeypatch.setattr(rl_module.util, "find_spec", lambda name: None if name == "vllm" else found(name))
    for rollout in ("colocate", "server"):
        with pytest.raises(ConfigurationError, match=r"vLLM is not installed.*rollout=transformers"):
            rl(settings(random_qwen, data, tmp_path / rollout, rollout=rollout))
