"""Reinforcement learning on grounding (paper, section 4.4): GRPO over sample records, with TRL.

    egm train rl --config training/egm_tiny/rl.yaml [key=value ...]

Token-level mean, clipped ratio, k3 KL to the starting model in the loss, entropy bonus, advantages normalised in
their group; the reward is `egm_core.reward`. Answers come from vLLM in the same process or from its server, or from
transformers, as on a CPU. Resumes from the output folder's last whole checkpoint; ends in `final/`, a model folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

import torch

from egm_core.models.folder import ModelInfo
from egm_core.reward import trl_reward
from egm_core.sample import Sample
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.held_out import held_out_arguments
from egm_core.train.data.prepared import prepare_tables, prepared
from egm_core.train.plan.architectures import linear_layers
from egm_core.train.rl.config import RLConfig, accumulation
from egm_core.train.rl.modes import DIRECT, both_ways, mixed, refuse_direct
from egm_core.train.rl.questions import checking, questions
from egm_core.train.run.folder import KEPT, Start, is_finished, model_of, open_run
from egm_core.train.run.group import PATIENCE, by_first, join_group
from egm_core.train.run.processes import run_processes
from egm_core.train.run.training import freeze_vision, lora, train_to_end


def grpo_arguments(
    config: RLConfig,
    banned: tuple[int, ...] = (),
    on_cpu: bool | None = None,
    template: dict[str, Any] | None = None,
) -> Any:
    """Give TRL's GRPOConfig for a run: the paper's objective, as TRL 1.16 spells it.

    `template` are further arguments of the chat template. `banned` are token ids that vLLM must never sample (TRL bans
    image tokens only where transformers answers).
    """
    from trl import GRPOConfig

    on_cpu = not torch.cuda.is_available() if on_cpu is None else on_cpu
    vllm = config.rollout != "transformers"
    steps = accumulation(config)
    return GRPOConfig(
        output_dir=config.output,
        # The objective: token-level mean, k3 KL as it stands, no correction for the rollout's own sampling.
        # GSPO, as in the released code: ratios of whole answers, and a mean over the means of answers.
        loss_type="grpo" if config.objective == "gspo" else "dapo",
        importance_sampling_level="sequence" if config.objective == "gspo" else "token",
        scale_rewards="group",
        epsilon=config.ratio_clip,
        beta=config.kl,
        use_bias_correction_kl=False,
        entropy_coef=config.entropy,
        vllm_importance_sampling_correction=False,
        num_iterations=1,
        # The batch.
        num_generations=config.generations,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=steps,
        steps_per_generation=config.steps_per_generation or steps,
        # The rollout.
        max_completion_length=config.max_tokens,
        chat_template_kwargs=template or None,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        use_vllm=vllm,
        vllm_mode=config.rollout if vllm else "colocate",
        vllm_server_base_url=config.vllm_url if config.rollout == "server" else None,
        vllm_gpu_memory_utilization=config.vllm_memory,
        vllm_max_model_length=config.vllm_context,
        vllm_tensor_parallel_size=config.vllm_tensor_parallel,
        vllm_enable_sleep_mode=config.vllm_sleep and config.rollout == "colocate",
        generation_kwargs={"logit_bias": dict.fromkeys(banned, -100.0)} if vllm and banned else None,
        # The optimiser.
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.scheduler,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        # The machine.
        gradient_checkpointing=not on_cpu,
        bf16=not on_cpu,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and config.processes > 1 else None,
        ddp_find_unused_parameters=False,
        ddp_timeout=int(PATIENCE.total_seconds()),
        save_steps=config.save_steps,
        save_total_limit=KEPT,
        logging_steps=config.logging_steps,
        report_to=list(config.report_to),
        # Every logged step's answers as a table, and with their pictures, once a prompt, for Weights & Biases.
        log_completions=config.answers > 0,
        num_completions_to_print=0,
        log_multimodal="wandb" in config.report_to,
        log_unique_prompts="wandb" in config.report_to,
        seed=config.seed,
        per_device_eval_batch_size=config.micro_batch,
        num_generations_eval=1,
        **held_out_arguments(config, "eval_reward"),
    )


def prepare(config: RLConfig, folder: Path, model: Start) -> None:
    """Write the run's questions into its folder, without those whose image can't be used.

    Raises ConfigurationError where too many images are bad, or too few questions left for an update.
    """
    from datasets import Value

    def asked(samples: Iterable[Sample]) -> Iterator[dict[str, Any]]:
        rows = questions(samples, model.info.speaker, config.tasks, config.official_pixels, model.info.prompt)
        return mixed(rows, config.direct_share, config.seed) if config.direct_share else rows

    text, whole = Value("string"), Value("int64")
    way = {DIRECT: Value("bool")} if config.direct_share else {}
    columns = {
        "prompt": [{"role": text, "content": text, **way}],
        **dict.fromkeys(("image", "file", "task"), text),
        "truth": [Value("float64")],
        **dict.fromkeys(("width", "height"), whole),
        **way,
    }
    count = prepare_tables(folder, config, checking(config, model.info, model.path), asked, columns)
    if count < config.prompts:
        raise ConfigurationError(
            f"{', '.join(config.data)} hold {count} questions for {' and '.join(config.tasks)}, and an update "
            f"takes prompts={config.prompts}; give more samples or ask for fewer prompts"
        )


def build_trainer(config: RLConfig, output: Path, start: Start) -> Any:
    """Give the trainer of a run whose questions are prepared: model, processor and watchers put together."""
    install_schemas()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from egm_core.train.rl.answers import AnswerLog
    from egm_core.train.rl.trainer import EGMGRPOTrainer, image_tokens
    from egm_core.train.run.callbacks import Best, callbacks

    on_cpu = not torch.cuda.is_available()
    path, info = start
    # Answers are padded on the right and prompts on the left; some processors would do otherwise.
    processor = AutoProcessor.from_pretrained(path, padding_side="left", truncation_side="left")
    if config.direct_share:
        processor.chat_template = both_ways(processor.chat_template, info.thinking or info.speaker.thinking)
    # The reference of the KL term is loaded anew from the path that the model remembers.
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    if config.freeze_vision:
        freeze_vision(model)
    learnt, held_out = prepared(output, config)
    trainer = EGMGRPOTrainer(
        model=model,
        args=grpo_arguments(config, image_tokens(model.config), on_cpu, switched(info)),
        reward_funcs=trl_reward(
            info.speaker, config.success_weight, config.official_pixels, config.token_price, spelling(processor)
        ),
        # The trainer reads the pictures, see `grpo.read_pictures`.
        train_dataset=learnt,
        eval_dataset=held_out,
        processing_class=processor,
        peft_config=lora(config),
        callbacks=callbacks(output, config.kl_limit, config.minutes),
        shared=_shares(config, on_cpu, recurrent(model.config)),
    )
    trainer.add_callback(AnswerLog(trainer, output, config.answers, info.speaker))
    if held_out:
        trainer.add_callback(Best(output))
    return trainer


def _run(rank: int, config: RLConfig, folder: Path, start: Start) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    train_to_end(build_trainer(config, folder, start), config, folder, start)


def refuse_lost_reference(config: RLConfig) -> None:
    """Refuse an accelerate file with which the KL term's reference would be zeros in all processes but the first."""
    sharded, by_one = (
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("ACCELERATE_USE_FSDP", "FSDP_CPU_RAM_EFFICIENT_LOADING")
    )
    if sharded and by_one and config.kl and not config.lora_rank:
        raise ConfigurationError(
            "the accelerate file says fsdp_cpu_ram_efficient_loading: true, with which TRL leaves the reference of the"
            " KL term at zeros in every process but the first; use training/accelerate/fsdp2.yaml, or set it to false",
            "kl",
        )


def switched(info: ModelInfo) -> dict[str, Any]:
    """Give the chat template's argument by which a model is asked to think, or not, as it was taught to."""
    return (info.thinking or info.speaker.thinking).switched(info.reasoning)


def spelling(processor: Any) -> Callable[[int], str]:
    """Give what spells a token's id as text, each once."""
    return cache(lambda token: str(processor.tokenizer.decode([token])))


def recurrent(config: Any) -> bool:
    """Tell whether a model remembers by a state in some layers, as Qwen3.5 does, and not by keys and values alone."""
    return linear_layers(config.get_text_config()) > 0


def _shares(config: RLConfig, on_cpu: bool, recurrent: bool) -> bool:
    possible = on_cpu and not config.lora_rank and config.rollout == "transformers" and not recurrent
    if config.share_prompts and not possible:
        raise ConfigurationError(
            "share_prompts needs a CPU, rollout=transformers, lora_rank=0 and a model with full attention in every "
            "layer, which Qwen3.5 has not; leave it out"
        )
    return possible and config.share_prompts is not False


def rl(config: RLConfig) -> Path:
    """Run (or resume) reinforcement learning and return the model folder that it wrote."""
    if config.engine == "verl":
        from egm_core.train.rl.verl.launch import launch

        return launch(config)
    join_group()
    folder = by_first(open_run, "rl", config)
    if by_first(is_finished, folder):
        return folder / "final"
    accumulation(config)
    refuse_lost_reference(config)
    if config.rollout != "transformers" and util.find_spec("vllm") is None:
        raise ConfigurationError(
            f"rollout is {config.rollout!r}, and vLLM is not installed; pip install vllm (docs/guides/training.md "
            "names the version), or say rollout=transformers, which is slower",
            "rollout",
        )
    model = model_of(config)
    if config.direct_share:
        refuse_direct(model.info)
    by_first(prepare, config, folder, model)
    run_processes(_run, config.processes, config, folder, model)
    return folder / "final"
