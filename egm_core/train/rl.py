"""Reinforcement learning on grounding (paper, section 4.4): GRPO over sample records, with TRL.

    python -m egm_core.train rl --config training/egm_tiny/rl.yaml [key=value ...]

Token-level mean, clipped ratio, k3 KL to the starting model in the loss, entropy bonus, advantages normalised in
their group; the reward is `egm_core.reward`. Answers come from vLLM in the same process or from its server, or from
transformers, as on a CPU. Resumes from the output folder's last whole checkpoint; ends in `final/`, a model folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any

import torch

from egm_core.boxes import to_relative
from egm_core.families import TASKS, Family, Task
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.reward import trl_reward
from egm_core.sample import Sample
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError, setting
from egm_core.train.data_check import Checking, check_data, kept
from egm_core.train.group import PATIENCE, by_first, join_group
from egm_core.train.held_out import check_held_out, held_out_arguments, held_out_files
from egm_core.train.processes import run_processes
from egm_core.train.run import KEPT, RunConfig, callbacks, is_finished, is_first, model_of, open_run
from egm_core.train.sft import SCHEDULERS, freeze_vision, lora, train_to_end
from egm_core.train.special_tokens import special_tokens
from egm_core.train.verl_settings import VerlConfig

# Where verl would put a picture, a film or a sound.
PLACEHOLDERS = ("<image>", "<video>", "<audio>")
ROLLOUTS = ("transformers", "colocate", "server")


@dataclass
class RLConfig(RunConfig):
    """All settings of a reinforcement-learning run; the defaults are the paper's for Qwen3-VL (Table 6).

    An update takes `prompts` questions with `generations` answers each, of which each device holds `micro_batch`
    in a forward pass. `steps_per_generation` micro-batches are rolled out at a time (0: all of an update's); fewer
    hold fewer pictures in memory and stay on-policy. `warmup` counts updates, or is a share of them below 1.
    `rollout` says who answers: transformers, vLLM in the training process (colocate), or a vLLM server.
    `answers` of each step are kept, with their pictures at each logged step. `held_out` files are asked every
    `eval_steps` (0: every `save_steps`), once a question; the checkpoint with the highest reward there is kept.
    `official_pixels` rounds boxes to pixels in the reward as the released code does. `share_prompts` lets answers
    share the work for their prompt: on a CPU, unless told otherwise.
    """

    data: list[str] = field(default_factory=list)
    learning_rate: float = setting(3e-6, above=0, high=1)
    scheduler: str = setting("cosine", choices=SCHEDULERS)
    warmup: float = setting(30, low=0)
    weight_decay: float = setting(0.0, low=0, high=1)
    clip: float = setting(1.0, above=0)
    epochs: float = setting(5.0, above=0)
    max_steps: int = setting(-1, low=1, allow=(-1,))
    prompts: int = setting(256, low=1)
    generations: int = setting(16, low=2)
    micro_batch: int = setting(32, low=1)
    steps_per_generation: int = setting(0, low=0)
    ratio_clip: float = setting(0.2, above=0, high=1)
    kl: float = setting(0.005, low=0)
    kl_limit: float = setting(10.0, above=0, changeable=True)
    entropy: float = setting(0.0, low=0)
    success_weight: float = setting(0.5, low=0, high=1)
    official_pixels: bool = setting(False)
    max_tokens: int = setting(1024, low=1)
    temperature: float = setting(0.7, above=0, high=10)
    top_p: float = setting(0.9, above=0, high=1)
    top_k: int = setting(50, low=0)
    freeze_vision: bool = setting(True)
    lora_rank: int = setting(0, low=0)
    lora_alpha: int = setting(32, low=1)
    rollout: str = setting("transformers", choices=ROLLOUTS)
    share_prompts: bool | None = setting(None)
    vllm_memory: float = setting(0.3, above=0, high=1, changeable=True)
    vllm_context: int = setting(32768, low=1)
    vllm_tensor_parallel: int = setting(1, low=1)
    vllm_sleep: bool = setting(True, changeable=True)
    vllm_url: str = setting("http://127.0.0.1:8000", changeable=True)
    answers: int = setting(8, low=0, changeable=True)
    held_out: list[str] = field(default_factory=list)
    eval_steps: int = setting(0, low=0, changeable=True)
    processes: int = setting(1, low=1)
    engine: str = setting("trl", choices=("trl", "verl"))
    objective: str = setting("grpo", choices=("grpo", "gspo"))
    verl: VerlConfig = field(default_factory=VerlConfig, metadata={"changeable": True})


def questions(
    samples: Iterable[Sample],
    speaker: Family,
    tasks: list[str],
    whole: bool = False,
    ask: Callable[[str, Task], str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Turn samples into the rows that GRPO asks and rewards: one per sample and task that it has a truth for.

    `truth` is the box in the family's frame, rounded to whole numbers if `whole`, and None for an absent object;
    `ask` words the prompt where a model has its own words (default: the family's).
    """
    for sample in samples:
        for task in TASKS:
            if task not in tasks or not sample.asks(task):
                continue
            box = sample.truth(task)
            if box is not None:
                box = to_relative(box, sample.width, sample.height)
                if whole:
                    x0, y0, x1, y1 = map(round, box)
                    box = (float(x0), float(y0), float(x1), float(y1))
            yield {
                "prompt": [{"role": "user", "content": (ask or speaker.prompt)(sample.sent, task)}],
                "image": sample.image,
                "file": sample.image,
                "truth": None if box is None else list(box),
                "width": sample.width,
                "height": sample.height,
                "task": task,
            }


def accumulation(config: RLConfig) -> int:
    """Give the number of micro-batches of an update on each device.

    Raises ConfigurationError where answers and groups don't come out even.
    """
    world = int(os.environ.get("WORLD_SIZE", config.processes))
    answers, at_once = config.prompts * config.generations, config.micro_batch * world
    if answers % at_once:
        raise ConfigurationError(
            f"an update of {config.prompts} prompts with {config.generations} generations is {answers} answers, which "
            f"{world} processes with a micro_batch of {config.micro_batch} can't share evenly; "
            f"choose a micro_batch that divides {answers / world:g}"
        )
    steps = answers // at_once
    spg = config.steps_per_generation or steps
    if steps % spg or (at_once * spg) % config.generations:
        raise ConfigurationError(
            f"steps_per_generation is {spg}; it must divide the {steps} micro-batches of an update, and "
            f"{at_once} answers times it must be whole groups of {config.generations}"
        )
    return steps


def grpo_arguments(config: RLConfig, banned: tuple[int, ...] = (), on_cpu: bool | None = None) -> Any:
    """Give TRL's GRPOConfig for a run: the paper's objective, as TRL 1.16 spells it.

    `banned` are token ids that vLLM must never sample (TRL bans image tokens only where transformers answers).
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


def checking(config: RLConfig, info: ModelInfo, model: Path | None) -> Checking:
    """Say what the data of a run are checked for; `model` is the folder whose tokenizer tells the special tokens."""
    own = PLACEHOLDERS if config.engine == "verl" else ()
    return Checking(
        _files(config),
        tuple(config.tasks),
        info.speaker,
        special_tokens(info.family, model) | frozenset(own),
        tolerate=config.tolerate,
        missing_share=config.missing_share,
        seed=config.seed,
    )


def _files(config: RLConfig) -> tuple[Path, ...]:
    return tuple(Path(file) for file in config.data)


def _asked(config: RLConfig, info: ModelInfo, samples: Iterable[Sample]) -> list[dict[str, Any]]:
    return list(questions(samples, info.speaker, config.tasks, config.official_pixels, info.prompt))


def _rows(config: RLConfig, info: ModelInfo, left_out: Collection[str]) -> list[dict[str, Any]]:
    rows = _asked(config, info, kept(_files(config), left_out))
    if len(rows) < config.prompts:
        raise ConfigurationError(
            f"{', '.join(config.data)} hold {len(rows)} questions for {' and '.join(config.tasks)}, and an update "
            f"takes prompts={config.prompts}; give more samples or ask for fewer prompts"
        )
    return rows


def build_trainer(config: RLConfig, output: Path, left_out: Collection[str] = ()) -> Any:
    """Load model, processor and questions, but for those of the places that are left out, and give the trainer."""
    install_schemas()
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from egm_core.train.answers import AnswerLog
    from egm_core.train.grpo import EGMGRPOTrainer, image_tokens
    from egm_core.train.watch import Best

    on_cpu = not torch.cuda.is_available()
    path = resolve(config.model, offline=config.offline)
    info = load_info(path)
    # Answers are padded on the right and prompts on the left; some processors would do otherwise.
    processor = AutoProcessor.from_pretrained(path, padding_side="left", truncation_side="left")
    # The reference of the KL term is loaded anew from the path that the model remembers.
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    if config.freeze_vision:
        freeze_vision(model)
    held_out = _asked(config, info, kept(held_out_files(config), left_out))
    trainer = EGMGRPOTrainer(
        model=model,
        args=grpo_arguments(config, image_tokens(model.config), on_cpu),
        reward_funcs=trl_reward(info.speaker, config.success_weight, config.official_pixels),
        # The trainer reads the pictures, see `grpo.read_pictures`.
        train_dataset=Dataset.from_list(_rows(config, info, left_out)),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        processing_class=processor,
        peft_config=lora(config),
        callbacks=callbacks(output, config.kl_limit, config.minutes),
        shared=_shares(config, on_cpu),
    )
    trainer.add_callback(AnswerLog(trainer, output, config.answers, info.speaker))
    if held_out:
        trainer.add_callback(Best(output))
    return trainer


def _run(rank: int, config: RLConfig, folder: Path, left_out: Collection[str]) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    train_to_end(build_trainer(config, folder, left_out), config, folder)


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


def _shares(config: RLConfig, on_cpu: bool) -> bool:
    possible = on_cpu and not config.lora_rank and config.rollout == "transformers"
    if config.share_prompts and not possible:
        raise ConfigurationError("share_prompts needs a CPU, rollout=transformers and lora_rank=0; leave it out")
    return possible and config.share_prompts is not False


def rl(config: RLConfig) -> Path:
    """Run (or resume) reinforcement learning and return the model folder that it wrote."""
    if config.engine == "verl":
        from egm_core.train.verl_launch import launch

        return launch(config)
    join_group()
    folder = by_first(open_run, "rl", config)
    if by_first(is_finished, folder):
        return folder / "final"
    accumulation(config)
    refuse_lost_reference(config)
    if config.rollout != "transformers" and util.find_spec("vllm") is None:
        raise ConfigurationError(
            f"rollout is {config.rollout!r}, and vLLM is not installed; pip install vllm (training/README.md names the "
            "version), or say rollout=transformers, which is slower",
            "rollout",
        )
    if not config.data:
        raise ConfigurationError("data is empty; give sample files, such as data=[runs/samples/samples.jsonl]")
    path, info = model_of(config)
    about = checking(config, info, path)
    found = by_first(check_data, folder, about)
    left_out = {**found.left_out, **by_first(check_held_out, folder, config, about)}
    if is_first():
        print(found.text, file=sys.stderr)
    run_processes(_run, config.processes, config, folder, frozenset(left_out))
    return folder / "final"
