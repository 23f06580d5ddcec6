"""Our reinforcement-learning files, composed and validated by verl's own code.

Needs verl: `make test-verl` builds an environment with it and runs this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl.trainer", reason="verl is not installed here: run make test-verl")

from omegaconf import DictConfig, OmegaConf
from verl.trainer.ppo.utils import need_critic, need_reference_policy
from verl.utils.config import validate_config

from egm_core.train.configuration import load
from egm_core.train.rl.config import RLConfig

ROOT = Path(__file__).parents[2]
FILES = sorted(path for family in ("qwen3_vl", "internvl3") for path in (ROOT / "training" / family).glob("*_rl*.yaml"))
A, R = "actor_rollout_ref.actor", "actor_rollout_ref.rollout"
# Table 6 of the paper, as verl must understand it.
PAPER = {
    "algorithm.adv_estimator": "grpo",
    "algorithm.norm_adv_by_std_in_grpo": True,
    "algorithm.use_kl_in_reward": False,
    "data.train_batch_size": 256,
    f"{A}.ppo_mini_batch_size": 256,
    f"{A}.ppo_epochs": 1,
    f"{A}.clip_ratio": 0.2,
    f"{A}.clip_ratio_low": 0.2,
    f"{A}.clip_ratio_high": 0.2,
    f"{A}.kl_loss_type": "low_var_kl",
    f"{A}.optim.lr": 3e-6,
    f"{A}.optim.clip_grad": 1.0,
    f"{A}.optim.lr_scheduler_type": "cosine",
    f"{A}.optim.lr_warmup_steps": 30,
    f"{A}.fsdp_config.model_dtype": "fp32",
    f"{R}.n": 16,
    f"{R}.dtype": "float16",
    f"{R}.max_model_len": 32768,
    f"{R}.name": "vllm",
    "reward.custom_reward_function.path": "pkg://egm_core.reward",
    "reward.custom_reward_function.name": "compute_score",
    "trainer.resume_mode": "auto",
}
FAMILY = {
    "qwen3_vl": {
        "data.image_patch_size": 16,
        f"{A}.use_kl_loss": True,
        f"{A}.kl_loss_coef": 0.005,
        f"{A}.entropy_coeff": 0.0,
        f"{R}.top_p": 0.9,
        f"{R}.top_k": 50,
    },
    "internvl3": {
        "data.image_patch_size": 14,
        f"{A}.use_kl_loss": False,
        f"{A}.entropy_coeff": 0.01,
        f"{R}.top_p": 0.7,
        f"{R}.top_k": -1,
    },
}
# What the released scripts do otherwise than the paper's table; a file with `official` in its name follows them.
TABLE = {
    f"{A}.policy_loss.loss_mode": "vanilla",
    f"{A}.loss_agg_mode": "token-mean",
    "data.max_response_length": 1024,
    "trainer.total_epochs": 5,
    f"{R}.temperature": 0.7,
}
OFFICIAL = {
    "qwen3_vl": {
        f"{A}.policy_loss.loss_mode": "gspo",
        f"{A}.loss_agg_mode": "seq-mean-token-mean",
        "data.max_response_length": 2048,
        "trainer.total_epochs": 3,
        f"{R}.temperature": 0.7,
        f"{R}.top_p": 0.9,
    },
    "internvl3": {
        f"{A}.policy_loss.loss_mode": "gspo",
        f"{A}.loss_agg_mode": "seq-mean-token-mean",
        "data.max_response_length": 4096,
        "trainer.total_epochs": 5,
        f"{R}.temperature": 1.0,
        f"{R}.top_p": 0.9,
    },
}


@pytest.fixture
def composed(compose_verl: Callable[..., Any]) -> Callable[[RLConfig, str], DictConfig]:
    """Compose as the trainer would, and let verl check the result."""

    def checked(config: RLConfig, family: str) -> DictConfig:
        result: DictConfig = compose_verl(config, family, Path("/models/sft"), Path("/data/train.parquet"))
        validate_config(result, need_reference_policy(result), need_critic(result))
        return result

    return checked


def select(config: DictConfig, keys: Any) -> dict[str, Any]:
    return {key: OmegaConf.select(config, key, throw_on_missing=True) for key in keys}


def test_there_are_files_of_both_families() -> None:
    assert {path.parent.name for path in FILES} == {"qwen3_vl", "internvl3"}
    assert len(FILES) >= 12


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_composes_to_the_papers_values(path: Path, tmp_path: Path, composed: Any) -> None:
    family = path.parent.name
    config = load(RLConfig, path, ["engine=verl", f"output={tmp_path}/run"])
    result = composed(config, family)
    expected = {**PAPER, **FAMILY[family], **(OFFICIAL[family] if "official" in path.stem else TABLE)}
    assert select(result, expected) == expected
    assert need_reference_policy(result) is (family == "qwen3_vl")
    assert not need_critic(result)


def test_the_variant_gspo_and_a_cluster_compose(tmp_path: Path, composed: Any) -> None:
    words = ["engine=verl", f"output={tmp_path}/run", "freeze_vision=false", "objective=gspo", "verl.nodes=4"]
    config = load(RLConfig, _empty(tmp_path), [*words, "verl.tokens_per_gpu=0", "verl.extra=[trainer.save_freq=10]"])
    expected = {
        f"{A}.policy_loss.loss_mode": "gspo",
        f"{A}.loss_agg_mode": "seq-mean-token-mean",
        f"{A}.use_dynamic_bsz": False,
        f"{A}.strategy": "fsdp2",
        "actor_rollout_ref.ref.strategy": "fsdp2",
        f"{A}.clip_ratio_c": 1e9,
        "trainer.nnodes": 4,
        "trainer.n_gpus_per_node": 8,
        "trainer.save_freq": 10,
        "data.max_prompt_length": 16384,
        f"{R}.prompt_length": 16384,
        f"{R}.response_length": 1024,
    }
    assert select(composed(config, "qwen3_vl"), expected) == expected


def test_verls_own_check_still_bites(tmp_path: Path, composed: Any) -> None:
    """A batch that the GPUs can't share is ours to refuse; here verl's check refuses it too."""
    words = ["engine=verl", "freeze_vision=false", "verl.extra=[trainer.n_gpus_per_node=7]"]
    with pytest.raises(AssertionError, match="must be divisible"):
        composed(load(RLConfig, _empty(tmp_path), [*words, "verl.tokens_per_gpu=0"]), "qwen3_vl")


def _empty(folder: Path) -> Path:
    path = folder / "rl.yaml"
    path.write_text("")
    return path
