"""verl's side of reinforcement learning, as far as it needs no verl: data, overrides, commands, export, metrics."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from egm_core.models.folder import ModelInfo, load_info
from egm_core.reward import compute_score
from egm_core.sample import Sample, write_samples
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError
from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.stage import rl
from egm_core.train.rl.verl.config import VerlConfig
from egm_core.train.rl.verl.data import Asking, write_parquet
from egm_core.train.rl.verl.launch import job_of, prepare, write_metrics
from egm_core.train.rl.verl.settings import overrides

SIZE = (96, 64)
BOX, AMODAL = (9.6, 6.4, 48.0, 32.0), (4.8, 6.4, 48.0, 64.0)


def sample(image: Path, sent: str = "the red mug", **changes: Any) -> Sample:
    return dataclasses.replace(Sample(str(image), sent, BOX, AMODAL, 0.6, SIZE[1], SIZE[0]), **changes)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)).save(path)
    return path


def asking(family: str = "qwen3_vl", **changes: Any) -> Asking:
    info = ModelInfo.for_training("tiny", family, max_pixels=16384)
    return Asking(info, ("visible", "amodal"), **changes)


def test_parquet_holds_a_row_per_question(picture: Path, tmp_path: Path) -> None:
    absent = sample(picture, "the green dragon", bbox=None, amodal_bbox=None, task="visible")
    unknown = sample(picture, "the blue box", amodal_bbox=None)
    file = tmp_path / "train.parquet"
    assert write_parquet(file, [sample(picture), absent, unknown], asking()) == 4
    rows = pq.read_table(file).to_pylist()
    assert rows[0] == {
        "data_source": "grounding",
        "prompt": [
            {
                "role": "user",
                "content": "<image>Locate the red mug, output its bbox coordinates using JSON format",
            }
        ],
        "images": [{"bytes": picture.read_bytes(), "max_pixels": 16384}],
        "ability": "grounding",
        "reward_model": {"style": "rule", "ground_truth": "[100.0, 100.0, 500.0, 500.0]"},
        "extra_info": {
            "split": "train",
            "index": 0,
            "task": "visible",
            "height": 64,
            "width": 96,
            "question": "the red mug",
            "family": "qwen3_vl",
            "success_weight": 0.5,
            "official_pixels": False,
        },
    }
    assert rows[1]["prompt"][0]["content"] == (
        "<image>Locate the red mug amodally, output its bbox coordinates using JSON format"
    )
    truths = [row["reward_model"]["ground_truth"] for row in rows]
    assert truths == ["[100.0, 100.0, 500.0, 500.0]", "[50.0, 100.0, 500.0, 1000.0]", "[]", truths[0]]
    assert [row["extra_info"]["task"] for row in rows] == ["visible", "amodal", "visible", "visible"]
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2, 3]
    assert not list(tmp_path.glob("*.part"))


def test_the_reward_reads_what_the_parquet_holds(picture: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    absent = sample(picture, "the green dragon", bbox=None, amodal_bbox=None, task="visible")
    for family, box, none in (
        ("qwen3_vl", '</think>\n\n```json\n[{"bbox_2d": [100, 100, 500, 300], "label": "x"}]\n```', "[]"),
        ("internvl3", "<think>a</think><ref>x</ref><box>[100, 100, 500, 300]</box>", "<box>[]</box>"),
    ):
        write_parquet(file, [sample(picture, task="visible"), absent], asking(family, success_weight=0.25))
        rows = pq.read_table(file).to_pylist()
        scores = [
            compute_score(row["data_source"], text, row["reward_model"]["ground_truth"], row["extra_info"])
            for row, text in ((rows[0], box), (rows[1], none), (rows[1], box), (rows[0], none))
        ]
        # Half of the true box: IoU 0.5, so the reward is 0.25 for the hit and 0.75 of 0.5.
        assert scores == pytest.approx([0.25 + 0.75 * 0.5, 1.0, 0.0, 0.0])


def test_internvl_keeps_its_tiles_and_paths_stay_paths(picture: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    write_parquet(file, [sample(picture, task="amodal")], asking("internvl3", embed=False, official_pixels=True))
    (row,) = pq.read_table(file).to_pylist()
    assert row["images"] == [{"image": str(picture)}]
    assert row["prompt"][0]["content"] == (
        "<image>Please provide the amodal bounding box coordinate of the region this sentence describes: "
        "<ref>the red mug</ref>"
    )
    assert row["reward_model"]["ground_truth"] == "[50.0, 100.0, 500.0, 1000.0]"


def test_bad_pictures_are_listed_and_refused_above_a_share(picture: Path, tmp_path: Path) -> None:
    torn, gone = tmp_path / "torn.png", tmp_path / "gone.png"
    torn.write_bytes(picture.read_bytes()[:-4000])
    write_samples(tmp_path / "samples.jsonl", [sample(path, task="visible") for path in (picture, torn, gone)])
    data, info = [str(tmp_path / "samples.jsonl")], asking().info
    with pytest.raises(ConfigurationError, match="2 of 3 images"):
        prepare(run := paper(tmp_path, data=data), info)
    assert not list(Path(run.output).glob("verl/*.parquet*"))
    file = prepare(paper(tmp_path, data=data, missing_share=0.7), info)
    assert pq.read_metadata(file).num_rows == 1
    listed = [json.loads(line) for line in (Path(run.output) / "bad_images.jsonl").read_text().splitlines()]
    assert [entry["image"] for entry in listed] == [str(torn), str(gone)]


def test_a_broken_off_writing_leaves_the_file_before(picture: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    write_parquet(file, [sample(picture)], asking())
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="<image>"):
        write_parquet(file, [sample(picture), sample(picture, "the <image> of a mug")], asking())
    assert file.read_bytes() == before
    with pytest.raises(ConfigurationError, match="no question"):
        write_parquet(file, [sample(picture, task="visible")], Asking(asking().info, ("amodal",)))


def paper(tmp_path: Path, **changes: Any) -> RLConfig:
    values = {"engine": "verl", "output": str(tmp_path / "run"), "freeze_vision": False, "name": "EGM-2B"}
    return RLConfig(**{**values, **changes})


def test_overrides_of_the_paper_are_these(tmp_path: Path) -> None:
    given = overrides(paper(tmp_path), "qwen3_vl", Path("/models/sft"), Path("/data/train.parquet"))
    assert (
        given
        == f"""\
algorithm.adv_estimator=grpo
algorithm.norm_adv_by_std_in_grpo=true
algorithm.use_kl_in_reward=false
data.train_files=/data/train.parquet
data.val_files=/data/train.parquet
data.val_max_samples=1
data.train_batch_size=256
data.max_prompt_length=16384
data.max_response_length=1024
data.image_patch_size=16
data.filter_overlong_prompts=true
data.filter_overlong_prompts_workers=16
data.truncation=error
data.seed=0
reward.custom_reward_function.path="pkg://egm_core.reward"
reward.custom_reward_function.name=compute_score
actor_rollout_ref.model.path=/models/sft
actor_rollout_ref.model.use_remove_padding=true
actor_rollout_ref.model.enable_gradient_checkpointing=true
actor_rollout_ref.actor.strategy=fsdp2
actor_rollout_ref.actor.ppo_mini_batch_size=256
actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=32
actor_rollout_ref.actor.use_dynamic_bsz=true
actor_rollout_ref.actor.ppo_epochs=1
actor_rollout_ref.actor.policy_loss.loss_mode=vanilla
actor_rollout_ref.actor.loss_agg_mode=token-mean
actor_rollout_ref.actor.clip_ratio=0.2
actor_rollout_ref.actor.clip_ratio_low=0.2
actor_rollout_ref.actor.clip_ratio_high=0.2
actor_rollout_ref.actor.clip_ratio_c=1000000000.0
actor_rollout_ref.actor.use_kl_loss=true
actor_rollout_ref.actor.kl_loss_coef=0.005
actor_rollout_ref.actor.kl_loss_type=low_var_kl
actor_rollout_ref.actor.entropy_coeff=0.0
actor_rollout_ref.actor.grad_clip=1.0
actor_rollout_ref.actor.optim.clip_grad=1.0
actor_rollout_ref.actor.optim.lr=3e-06
actor_rollout_ref.actor.optim.lr_scheduler_type=cosine
actor_rollout_ref.actor.optim.lr_warmup_steps=30
actor_rollout_ref.actor.optim.lr_warmup_steps_ratio=0.0
actor_rollout_ref.actor.optim.weight_decay=0.0
actor_rollout_ref.actor.fsdp_config.model_dtype=fp32
actor_rollout_ref.actor.fsdp_config.seed=0
actor_rollout_ref.actor.fsdp_config.param_offload=true
actor_rollout_ref.actor.fsdp_config.optimizer_offload=true
actor_rollout_ref.actor.data_loader_seed=0
actor_rollout_ref.actor.ppo_max_token_len_per_gpu=25600
actor_rollout_ref.rollout.name=vllm
actor_rollout_ref.rollout.n=16
actor_rollout_ref.rollout.temperature=0.7
actor_rollout_ref.rollout.top_p=0.9
actor_rollout_ref.rollout.top_k=50
actor_rollout_ref.rollout.dtype=float16
actor_rollout_ref.rollout.max_model_len=32768
actor_rollout_ref.rollout.tensor_model_parallel_size=1
actor_rollout_ref.rollout.gpu_memory_utilization=0.8
actor_rollout_ref.rollout.free_cache_engine=true
actor_rollout_ref.rollout.seed=0
actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=32
actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=32
actor_rollout_ref.ref.fsdp_config.model_dtype=fp32
actor_rollout_ref.ref.fsdp_config.param_offload=true
trainer.total_epochs=5
trainer.total_training_steps=null
trainer.save_freq=200
trainer.test_freq=-1
trainer.val_before_train=false
trainer.max_actor_ckpt_to_keep=2
trainer.default_local_dir={tmp_path}/run/verl
trainer.resume_mode=auto
trainer.project_name=egm
trainer.experiment_name=EGM-2B
trainer.logger=["console", "file", "tensorboard"]
trainer.nnodes=1
trainer.n_gpus_per_node=8
""".splitlines()
    )


def test_overrides_follow_the_configuration(tmp_path: Path) -> None:
    config = paper(
        tmp_path,
        objective="gspo",
        kl=0.0,
        entropy=0.01,
        top_p=0.7,
        top_k=0,
        warmup=0.03,
        scheduler="constant_with_warmup",
        max_steps=7,
        verl=VerlConfig(nodes=2, tokens_per_gpu=0, resume="disable", extra=["trainer.save_freq=10"]),
    )
    given = overrides(config, "internvl3", Path("/models/sft"), Path("/my data/train.parquet"))
    last = dict(word.split("=", 1) for word in given)
    expected = {
        "data.train_files": '"/my data/train.parquet"',
        "data.image_patch_size": "14",
        "actor_rollout_ref.actor.policy_loss.loss_mode": "gspo",
        "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-mean",
        "actor_rollout_ref.actor.use_kl_loss": "false",
        "actor_rollout_ref.actor.entropy_coeff": "0.01",
        "actor_rollout_ref.actor.use_dynamic_bsz": "false",
        "actor_rollout_ref.actor.optim.lr_scheduler_type": "constant",
        "actor_rollout_ref.actor.optim.lr_warmup_steps": "-1",
        "actor_rollout_ref.actor.optim.lr_warmup_steps_ratio": "0.03",
        "actor_rollout_ref.rollout.top_p": "0.7",
        "actor_rollout_ref.rollout.top_k": "-1",
        "trainer.total_training_steps": "7",
        "trainer.resume_mode": "disable",
        "trainer.nnodes": "2",
        "trainer.save_freq": "10",
    }
    assert {key: last[key] for key in expected} == expected
    assert "actor_rollout_ref.actor.ppo_max_token_len_per_gpu" not in last


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"freeze_vision": True}, "set freeze_vision=false"),
        ({"lora_rank": 8}, "use engine=trl"),
        ({"direct_share": 0.25}, "set direct_share=0, or use engine=trl"),
        ({"scheduler": "linear"}, "cosine, constant"),
        ({"epochs": 0.5}, "whole epochs"),
        ({"prompts": 3, "generations": 3}, "8 GPUs"),
        ({"max_tokens": 32768}, "vllm_context"),
        ({"verl": VerlConfig(tokens_per_gpu=17000)}, "longest prompt"),
        ({"verl": VerlConfig(action="submit")}, "verl.address"),
        ({"verl": VerlConfig(extra=["trainer.save_freq"])}, "key=value"),
    ],
)
def test_what_verl_cannot_do_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        overrides(paper(tmp_path, **changes), "qwen3_vl", Path("/m"), Path("/t"))


def test_a_submitted_job_brings_the_package_along(tmp_path: Path) -> None:
    config = paper(
        tmp_path, verl=VerlConfig(action="submit", address="http://head:8265", wait=False, python="python3.12")
    )
    job = job_of(config, "internvl3", Path("/models/sft"), Path("/data/train.parquet"))
    assert job.arguments[:4] == ("ray", "job", "submit", "--address=http://head:8265")
    runtime = json.loads(job.arguments[4].removeprefix("--runtime-env-json="))
    assert [Path(path).name for path in runtime["py_modules"]] == ["egm_core"]
    assert runtime["env_vars"] == {
        "VERL_FILE_LOGGER_PATH": f"{tmp_path}/run/verl/logs/0000.jsonl",
        "TENSORBOARD_DIR": f"{tmp_path}/run/tensorboard",
        "TOKENIZERS_PARALLELISM": "false",
        "VERL_USE_EXTERNAL_MODULES": "egm_core.train.rl.verl.internvl",
        "HF_HUB_OFFLINE": "1",
    }
    assert job.arguments[5:10] == ("--no-wait", "--", "python3.12", "-m", "verl.trainer.main_ppo")
    assert job.variables == {}


# Stands in for verl's Python: writes down how it was called, trains nothing, and leaves what verl leaves.
STANDIN = """#!/usr/bin/env bash
set -e
printf '%s\\n' "$@" >>"{calls}"
case "$2" in
verl.trainer.main_ppo)
  [ ! -e "{fail}" ] || exit 3
  printf '{{"step": 1, "data": {{"critic/score/mean": 0.5, "actor/entropy": 1.0}}}}\\n' >"$VERL_FILE_LOGGER_PATH"
  mkdir -p "{output}/verl/global_step_1/actor"
  printf 1 >"{output}/verl/latest_checkpointed_iteration.txt" ;;
verl.model_merger)
  for word in "$@"; do case "$word" in --target_dir=*) target=${{word#*=}} ;; esac; done
  mkdir -p "$target"
  cp "{model}/config.json" "{model}/model.safetensors" "$target" ;;
esac
"""


def test_runs_resumes_and_exports(picture: Path, random_qwen: Path, tmp_path: Path, capsys: Any) -> None:
    write_samples(tmp_path / "samples.jsonl", [sample(picture)])
    python, calls, fail, output = (tmp_path / name for name in ("python", "calls", "fail", "run"))
    python.write_text(STANDIN.format(calls=calls, fail=fail, output=output, model=random_qwen))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    settings = {
        "engine": "verl", "model": random_qwen, "data": f"[{tmp_path}/samples.jsonl]", "output": output, "prompts": 8,
        "generations": 2, "freeze_vision": "false", "name": "tuned", "verl.python": python, "verl.gpus_per_node": 2,
    }  # fmt: skip
    (tmp_path / "rl.yaml").write_text("")
    command = ["rl", "--config", str(tmp_path / "rl.yaml"), *(f"{key}={value}" for key, value in settings.items())]

    assert main([*command, "verl.action=print"]) == 0
    printed = capsys.readouterr().out
    script = output / "verl" / "launch.sh"
    assert script.read_text() in printed and printed.endswith(f"{script}\n") and not calls.exists()
    assert f"{python} \\\n    -m \\\n    verl.trainer.main_ppo \\\n" in printed

    fail.touch()
    assert main(command) == 2
    assert "verl ended with status 3" in capsys.readouterr().err
    (parquet,) = (output / "verl").glob("train-*.parquet")
    written = parquet.stat().st_mtime_ns
    fail.unlink()
    assert main(command) == 0
    assert parquet.stat().st_mtime_ns == written, "the data was written anew"
    info = load_info(output / "final")
    assert (info.name, info.family, info.tasks) == ("tuned", "qwen3_vl", ("visible", "amodal"))
    assert (output / "final" / "tokenizer.json").is_file() and list((output / "final").glob("*processor*.json"))
    assert f"--local_dir={output}/verl/global_step_1/actor" in calls.read_text()
    assert json.loads((output / "metrics.jsonl").read_text()) == {"step": 1, "reward": 0.5, "entropy": 1.0}
    assert (output / "curves.png").stat().st_size > 1000 and (output / "versions.json").is_file()

    shutil.rmtree(output / "verl" / "global_step_1")
    (output / "verl" / "latest_checkpointed_iteration.txt").unlink()
    assert main([*command, "verl.action=export"]) == 2
    assert "no complete checkpoint" in capsys.readouterr().err
    assert load_info(output / "final").name == "tuned", "a failed export took the earlier one along"


def test_a_missing_python_says_what_to_install(picture: Path, random_qwen: Path, tmp_path: Path) -> None:
    write_samples(tmp_path / "samples.jsonl", [sample(picture)])
    config = paper(
        tmp_path,
        model=str(random_qwen),
        data=[str(tmp_path / "samples.jsonl")],
        verl=VerlConfig(python=str(tmp_path / "nowhere")),
    )
    with pytest.raises(ConfigurationError, match=r"nowhere was not found; install verl\[vllm,fsdp\]==0.9.1"):
        rl(config)


def test_metrics_of_several_starts_become_one(tmp_path: Path) -> None:
    logs = tmp_path / "verl" / "logs"
    logs.mkdir(parents=True)

    def log(name: str, *points: tuple[int, float]) -> None:
        rows = [json.dumps({"step": step, "data": {"critic/score/mean": value, "other": 1}}) for step, value in points]
        (logs / name).write_text("\n".join(rows) + "\n")

    log("0000.jsonl", (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4))
    log("0001.jsonl", (3, 0.35))
    with open(logs / "0001.jsonl", "a") as torn:
        torn.write('{"step": 4, "da')
    write_metrics(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["reward"]) for row in rows] == [(1, 0.1), (2, 0.2), (3, 0.35)]
    assert os.path.getsize(tmp_path / "curves.png") > 1000
