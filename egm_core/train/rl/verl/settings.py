"""The paper's objective in verl's words: a configuration of ours as overrides of verl 0.9.1's own.

The same file trains with either engine; `engine=verl` brings it here. `verl_data` writes the questions,
`verl_launch` starts the job. Source: Table 6 of the paper, the released script for what the table leaves open, and
verl 0.9.1's trainer/config.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egm_core.train.configuration import ConfigurationError

if TYPE_CHECKING:
    from egm_core.train.rl.config import RLConfig

SCHEDULERS = {"cosine": "cosine", "constant": "constant", "constant_with_warmup": "constant"}
# The loss and how it is averaged. The paper's engine had GSPO average answers first whatever it was told; 0.9.1 obeys.
LOSSES = {"grpo": ("vanilla", "token-mean"), "gspo": ("gspo", "seq-mean-token-mean")}
# The size of a patch, which verl's own default has wrong for Qwen3-VL.
PATCH_SIZES = {"qwen3_vl": 16, "qwen3_5": 16, "internvl3": 14, "internvl3_5": 14}
# verl clips a second time where the advantage is negative, which the paper's objective doesn't; this never does.
NO_DUAL_CLIP = 1e9
REWARD = "pkg://egm_core.reward"
INTERNVL_PLUGIN = "egm_core.train.rl.verl.internvl"
CHECKPOINTS = "verl"


def environment(config: RLConfig, family: str) -> dict[str, str]:
    """Give the environment variables of verl's processes; nothing here is a secret.

    InternVL comes as a plugin, for verl 0.9.1 doesn't know it.
    """
    folder = Path(config.output).absolute()
    variables = {
        "VERL_FILE_LOGGER_PATH": str(metrics_path(folder)),
        "TENSORBOARD_DIR": str(folder / "tensorboard"),
        "TOKENIZERS_PARALLELISM": "false",
    }
    if family.startswith("internvl3"):
        variables["VERL_USE_EXTERNAL_MODULES"] = INTERNVL_PLUGIN
    if config.offline:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def metrics_path(folder: Path) -> Path:
    """Give the file that the next start logs to: verl empties the one it is given, so each start has its own."""
    logs = folder / CHECKPOINTS / "logs"
    return logs / f"{len(list(logs.glob('*.jsonl'))):04d}.jsonl"


def overrides(
    config: RLConfig, family: str, model: Path, train: Path, template: dict[str, Any] | None = None
) -> list[str]:
    """Give the overrides `key=value` for `verl.trainer.main_ppo`, in a fixed order.

    `model` is the folder to train from, `train` the parquet file of its questions, and `template` are further arguments
    of the chat template. Raises ConfigurationError for
    what verl can't do, naming the setting.
    """
    refuse(config)
    own = config.verl
    values: dict[str, Any] = {
        "algorithm.adv_estimator": "grpo",
        "algorithm.norm_adv_by_std_in_grpo": True,
        "algorithm.use_kl_in_reward": False,
        "data.train_files": str(train.absolute()),
        # verl wants a validation file even where it never validates; one row of it is read.
        "data.val_files": str(train.absolute()),
        "data.val_max_samples": 1,
        "data.train_batch_size": config.prompts,
        "data.max_prompt_length": longest_prompt(config),
        "data.max_response_length": config.max_tokens,
        "data.image_patch_size": PATCH_SIZES[family],
        "data.filter_overlong_prompts": True,
        "data.filter_overlong_prompts_workers": own.workers,
        "data.truncation": "error",
        "data.seed": config.seed,
        "reward.custom_reward_function.path": REWARD,
        "reward.custom_reward_function.name": "compute_score",
        "actor_rollout_ref.model.path": str(model.absolute()),
        "actor_rollout_ref.model.use_remove_padding": True,
        "actor_rollout_ref.model.enable_gradient_checkpointing": True,
        **_actor(config),
        **_rollout(config),
        "trainer.total_epochs": int(config.epochs),
        "trainer.total_training_steps": config.max_steps if config.max_steps > 0 else None,
        "trainer.save_freq": config.save_steps,
        "trainer.test_freq": -1,
        "trainer.val_before_train": False,
        "trainer.max_actor_ckpt_to_keep": own.keep,
        "trainer.default_local_dir": str((Path(config.output) / CHECKPOINTS).absolute()),
        "trainer.resume_mode": own.resume,
        "trainer.project_name": "egm",
        "trainer.experiment_name": config.name,
        "trainer.logger": ["console", "file", *config.report_to],
        "trainer.nnodes": own.nodes,
        "trainer.n_gpus_per_node": own.gpus_per_node,
    }
    # Not verl's own keys, so that they are added to its (empty) group.
    values |= {f"+data.apply_chat_template_kwargs.{name}": value for name, value in (template or {}).items()}
    return [f"{key}={_spelt(value)}" for key, value in values.items()] + list(own.extra)


def longest_prompt(config: RLConfig) -> int:
    """Give the number of tokens that a prompt with its picture may have; longer ones are left out, never cut."""
    return min(config.verl.max_prompt, config.vllm_context - config.max_tokens)


def _actor(config: RLConfig) -> dict[str, Any]:
    own, at = config.verl, "actor_rollout_ref.actor"
    shares = config.warmup < 1
    warmup = 0 if config.scheduler == "constant" else int(config.warmup)
    loss, mean = LOSSES[config.objective]
    values: dict[str, Any] = {
        "strategy": own.strategy,
        "ppo_mini_batch_size": config.prompts,
        "ppo_micro_batch_size_per_gpu": config.micro_batch,
        "use_dynamic_bsz": own.tokens_per_gpu > 0,
        "ppo_epochs": 1,
        "policy_loss.loss_mode": loss,
        "loss_agg_mode": mean,
        "clip_ratio": config.ratio_clip,
        "clip_ratio_low": config.ratio_clip,
        "clip_ratio_high": config.ratio_clip,
        "clip_ratio_c": NO_DUAL_CLIP,
        "use_kl_loss": config.kl > 0,
        "kl_loss_coef": config.kl,
        "kl_loss_type": "low_var_kl",
        "entropy_coeff": config.entropy,
        # Its trainer clips by the optimiser's setting; the actor's own is a relic, kept equal.
        "grad_clip": config.clip,
        "optim.clip_grad": config.clip,
        "optim.lr": config.learning_rate,
        "optim.lr_scheduler_type": SCHEDULERS[config.scheduler],
        "optim.lr_warmup_steps": -1 if shares else warmup,
        "optim.lr_warmup_steps_ratio": config.warmup if shares and config.scheduler != "constant" else 0.0,
        "optim.weight_decay": config.weight_decay,
        "fsdp_config.model_dtype": "fp32",
        "fsdp_config.seed": config.seed,
        "fsdp_config.param_offload": own.offload,
        "fsdp_config.optimizer_offload": own.offload,
        "data_loader_seed": config.seed,
    }
    if own.tokens_per_gpu:
        values["ppo_max_token_len_per_gpu"] = own.tokens_per_gpu
    return {f"{at}.{key}": value for key, value in values.items()}


def _rollout(config: RLConfig) -> dict[str, Any]:
    own, at, reference = config.verl, "actor_rollout_ref.rollout", "actor_rollout_ref.ref"
    return {
        f"{at}.name": "vllm",
        f"{at}.n": config.generations,
        f"{at}.temperature": config.temperature,
        f"{at}.top_p": config.top_p,
        # vLLM's word for "no limit" is -1, TRL's is 0.
        f"{at}.top_k": config.top_k or -1,
        f"{at}.dtype": "float16",
        f"{at}.max_model_len": config.vllm_context,
        f"{at}.tensor_model_parallel_size": config.vllm_tensor_parallel,
        f"{at}.gpu_memory_utilization": own.rollout_memory,
        f"{at}.free_cache_engine": True,
        f"{at}.seed": config.seed,
        f"{at}.log_prob_micro_batch_size_per_gpu": config.micro_batch,
        f"{reference}.log_prob_micro_batch_size_per_gpu": config.micro_batch,
        f"{reference}.fsdp_config.model_dtype": "fp32",
        f"{reference}.fsdp_config.param_offload": own.offload,
    }


def refuse(config: RLConfig) -> None:
    """Refuse what verl 0.9.1 can't do, or what can't come out even; ConfigurationError names the setting."""
    own = config.verl
    gpus, answers = own.nodes * own.gpus_per_node, config.prompts * config.generations
    reasons = {
        "freeze_vision=true: verl trains the vision encoder too, as the paper's RL did; set freeze_vision=false": (
            config.freeze_vision
        ),
        "direct_share: verl writes every prompt by one chat template, and cannot ask some without thinking; set "
        "direct_share=0, or use engine=trl": config.direct_share > 0,
        "lora_rank: LoRA is for one GPU, and this export can't merge verl's adapters; use engine=trl": (
            config.lora_rank > 0
        ),
        f"scheduler={config.scheduler}: verl has {', '.join(SCHEDULERS)} only": config.scheduler not in SCHEDULERS,
        f"epochs={config.epochs:g}: verl counts whole epochs": config.epochs != int(config.epochs),
        f"prompts x generations = {answers} answers, which {gpus} GPUs can't share evenly": answers % gpus != 0,
        f"max_tokens={config.max_tokens} leaves no room for a prompt in vllm_context={config.vllm_context}": (
            config.max_tokens >= config.vllm_context
        ),
        f"verl.tokens_per_gpu={own.tokens_per_gpu} is less than the longest prompt and answer": (
            0 < own.tokens_per_gpu < longest_prompt(config) + config.max_tokens
        ),
        "verl.address is empty; give the cluster's dashboard, such as http://HEAD:8265, to submit to it": (
            own.action == "submit" and not own.address
        ),
        "verl.extra holds what is not of the form key=value": any("=" not in word for word in own.extra),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ConfigurationError(f"engine=verl: {reason}")


def _spelt(value: Any) -> str:
    """Spell a value as Hydra's override grammar reads it."""
    if value is None:
        return "null"
    if isinstance(value, (bool, list, float, int)):
        return json.dumps(value)
    return json.dumps(value) if set(value) & set(" ,:=[]{}()'\"") else str(value)
