"""Supervised fine-tuning on reasoning (paper, section 4.3): TRL's SFTTrainer over sample records.

    python -m egm_core.train sft --config training/egm_tiny/sft.yaml [key=value ...]

Several GPUs, and weights that one GPU can't hold, are accelerate's: its configuration file chooses DDP, FSDP2 or
DeepSpeed (those of training/accelerate; TRL's own lose the reference model of `rl`):

    accelerate launch --config_file training/accelerate/fsdp2.yaml --num_processes 8 -m egm_core.train sft --config FILE

One small GPU: `lora_rank=16`; the adapter is merged into `final/`. A CPU: `processes=N`.

The same code tunes the embedded model and the real ones; only the first asks for soft coordinates and attention
supervision. Prompt and image tokens never enter the loss. The same command resumes a run from its last whole
checkpoint; it ends in `final/`, a model folder, in float32.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from egm_core.boxes import to_relative
from egm_core.families import TASKS, Family, Task
from egm_core.models.folder import ModelInfo, load_info, resolve, write_info
from egm_core.sample import Sample
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError, setting
from egm_core.train.data_check import Checking, check_data, kept
from egm_core.train.group import PATIENCE, by_first, join_group
from egm_core.train.held_out import FOLDER as HELD_OUT
from egm_core.train.held_out import check_held_out, held_out_arguments, held_out_files
from egm_core.train.processes import INTERRUPTED, run_processes
from egm_core.train.run import (
    KEPT,
    RunConfig,
    callbacks,
    ended_early,
    is_finished,
    is_first,
    model_of,
    open_run,
    ran_to_end,
    whole_checkpoint,
)
from egm_core.train.special_tokens import special_tokens
from egm_core.train.table import read_table, write_table

SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")
# The decoder's matrices; the vision tower stays as it is, as in the paper.
LORA_LAYERS = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"


@dataclass
class SFTStageConfig(RunConfig):
    """All settings of a fine-tuning run.

    `batch` is of each process (GPU), and `accumulation` batches make an update. `warmup` is a share of the steps
    below 1, and their number from 1. `matrix_rate` is Muon's. `group_lengths` saves padding by updates of near
    lengths. `lora_rank` 0 trains the weights themselves. `processes` are local ones, on a CPU. Without `reasoning` the
    model learns to answer directly, whatever the data have, and its `egm.json` says so. The loss of `held_out` files is
    taken every `eval_steps` (0: every `save_steps`), and the checkpoint with the lowest is kept.
    """

    data: list[str] = field(default_factory=list)
    output: str = setting("runs/sft", changeable=True)
    learning_rate: float = setting(1e-5, above=0, high=1)
    epochs: float = setting(1.0, above=0, high=1000)
    max_steps: int = setting(-1, low=1, allow=(-1,))
    batch: int = setting(16, low=1)
    accumulation: int = setting(1, low=1)
    warmup: float = setting(0.03, low=0)
    scheduler: str = setting("cosine", choices=SCHEDULERS)
    weight_decay: float = setting(0.0, low=0, high=1)
    clip: float = setting(1.0, above=0)
    optimizer: str = setting("adamw", choices=("adamw", "muon"))
    matrix_rate: float = setting(0.02, above=0, high=1)
    group_lengths: bool = setting(False)
    freeze_vision: bool = setting(True)
    reasoning: bool = setting(True)
    lora_rank: int = setting(0, low=0, high=1024)
    lora_alpha: int = setting(32, low=1)
    gradient_checkpointing: bool = setting(True, changeable=True)
    soft_width: float = setting(0.0, low=0)
    attention_weight: float = setting(0.0, low=0)
    attention_layer: int = setting(2, low=0)
    attention_heads: int = setting(2, low=1)
    held_out: list[str] = field(default_factory=list)
    eval_steps: int = setting(0, low=0, changeable=True)
    processes: int = setting(1, low=1, high=1024)
    workers: int = setting(0, low=0, high=256, changeable=True)


def rows(
    samples: Iterable[Sample],
    speaker: Family,
    tasks: list[str],
    start: str,
    end: str,
    ask: Callable[[str, Task], str] | None = None,
    reasoning: bool = True,
) -> Iterator[dict[str, str]]:
    """Turn samples into prompt, completion and image file: one row per sample and task that it has a truth for.

    `start` is the chat text of a prompt with `{prompt}` in its place, `end` the end-of-turn token; `ask` words the
    prompt where a model has its own words (default: the family's). Without `reasoning` the targets have none.
    """
    for sample in samples:
        for task in TASKS:
            if task not in tasks or not sample.asks(task):
                continue
            box = sample.truth(task)
            scaled = None if box is None else to_relative(box, sample.width, sample.height, speaker.frame)
            trace = sample.reasoning if task == "visible" else sample.amodal_reasoning
            yield {
                "prompt": start.replace("{prompt}", (ask or speaker.prompt)(sample.sent, task)),
                "completion": speaker.target(sample.sent, scaled, trace if reasoning else "", task) + end,
                "image": sample.image,
            }


def chat_start(processor: Any) -> str:
    """Give the chat text of one picture and `{prompt}`, up to where the answer begins."""
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "{prompt}"}]}]
    return str(processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False))


def prepare(config: SFTStageConfig, folder: Path) -> int:
    """Write the run's rows into its folder, without those whose image can't be used, and give their number.

    Raises ConfigurationError where too many images are bad or nothing is left to learn.
    """
    install_schemas()
    from transformers import AutoProcessor

    if not config.data:
        raise ConfigurationError("data is empty; give sample files, such as data=[runs/samples/samples.jsonl]")
    path, info = model_of(config)
    processor = AutoProcessor.from_pretrained(path)
    found = check_data(folder, checking(config, info, path))
    print(found.text, file=sys.stderr)
    start, end = chat_start(processor), processor.tokenizer.eos_token

    def made(samples: Iterable[Sample]) -> Iterator[dict[str, str]]:
        return rows(samples, info.speaker, config.tasks, start, end, info.prompt, config.reasoning)

    def lengths(texts: list[str]) -> list[int]:
        return [len(ids) for ids in processor.tokenizer(texts, add_special_tokens=False)["input_ids"]]

    count = write_table(folder, made(kept(_files(config), found.left_out)), lengths)
    if config.held_out:
        left_out = check_held_out(folder, config, checking(config, info, path))
        write_table(folder / HELD_OUT, made(kept(held_out_files(config), left_out)), lengths)
    if not count:
        raise ConfigurationError(f"{', '.join(config.data)} hold no sample for {' or '.join(config.tasks)}")
    return count


def checking(config: SFTStageConfig, info: ModelInfo, model: Path | None) -> Checking:
    """Say what the data of a run are checked for; `model` is the folder whose tokenizer tells the special tokens."""
    return Checking(
        _files(config),
        tuple(config.tasks),
        info.speaker,
        special_tokens(info.family, model),
        teaches=True,
        reasoning=config.reasoning,
        tolerate=config.tolerate,
        missing_share=config.missing_share,
        seed=config.seed,
    )


def _files(config: SFTStageConfig) -> tuple[Path, ...]:
    return tuple(Path(file) for file in config.data)


def sft_arguments(config: SFTStageConfig, on_cpu: bool | None = None) -> Any:
    """Give TRL's SFTConfig for a run."""
    from trl import SFTConfig

    on_cpu = not torch.cuda.is_available() if on_cpu is None else on_cpu
    return SFTConfig(
        output_dir=config.output,
        completion_only_loss=True,
        max_length=None,
        learning_rate=config.learning_rate,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=config.accumulation,
        warmup_steps=config.warmup,
        lr_scheduler_type=config.scheduler,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        gradient_checkpointing=config.gradient_checkpointing and not on_cpu,
        bf16=not on_cpu,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and config.processes > 1 else None,
        # A frozen tower asks for no gradients, and all that is trained takes part in every step.
        ddp_find_unused_parameters=not config.freeze_vision,
        ddp_timeout=int(PATIENCE.total_seconds()),
        dataloader_num_workers=config.workers,
        dataloader_persistent_workers=config.workers > 0,
        # A fork of a process with threads may hang.
        dataloader_multiprocessing_context="spawn" if config.workers else None,
        save_steps=config.save_steps,
        save_total_limit=KEPT,
        logging_steps=config.logging_steps,
        report_to=list(config.report_to),
        seed=config.seed,
        remove_unused_columns=False,
        per_device_eval_batch_size=config.batch,
        **held_out_arguments(config, "eval_loss"),
    )


def make_trainer(config: SFTStageConfig, folder: Path) -> Any:
    """Give the trainer of a run whose rows are prepared: model, processor, rows and watchers put together."""
    install_schemas()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from egm_core.train.sft_trainer import EGMSFTTrainer
    from egm_core.train.watch import Best

    path = resolve(config.model, offline=config.offline)
    model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
    if config.freeze_vision:
        freeze_vision(model)
    return EGMSFTTrainer(
        config,
        model=model,
        args=sft_arguments(config),
        train_dataset=read_table(folder),
        eval_dataset=read_table(folder / HELD_OUT) if config.held_out else None,
        processing_class=AutoProcessor.from_pretrained(path),
        peft_config=lora(config),
        callbacks=[*callbacks(folder, minutes=config.minutes), *([Best(folder)] if config.held_out else [])],
    )


def _run(rank: int, config: SFTStageConfig, folder: Path) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    train_to_end(make_trainer(config, folder), config, folder)


def train_to_end(trainer: Any, config: RunConfig, folder: Path) -> None:
    """Train from the newest whole checkpoint on and write `final/`; exits with 130 where the run was asked to stop."""
    from egm_core.train.watch import give_signals_back, stopped, timed_out

    checkpoint = whole_checkpoint(folder)
    trainer.accelerator.wait_for_everyone()
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except StopIteration as error:
        raise ended_early(trainer.state.global_step, trainer.state.max_steps, folder) from error
    finally:
        give_signals_back(trainer)
    if stopped(trainer):
        sys.exit(INTERRUPTED)
    if not timed_out(trainer):
        ran_to_end(trainer.state.global_step, trainer.state.max_steps, folder)
    finish(trainer, resolve(config.model, offline=config.offline), folder, config)


def finish(trainer: Any, path: Path, folder: Path, config: Any) -> None:
    """Gather the weights from all processes, and let the first write `final/`."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    info = load_info(path)
    cut = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if cut else None
    if not is_first():
        return
    tuned = trainer.accelerator.unwrap_model(trainer.model)
    if config.lora_rank:
        from peft import PeftModel
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        tuned.save_pretrained(folder / "adapter", state_dict=weights)
        # Under ZeRO-3 a model is loaded by all processes together, and this one is alone here: it would wait for ever.
        unset_hf_deepspeed_config()
        base = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32)
        tuned, weights = PeftModel.from_pretrained(base, str(folder / "adapter")).merge_and_unload(), None
    # Loaded anew, as the trainer's pads on the side that suits the training.
    export(tuned, AutoProcessor.from_pretrained(path), folder / "final", info, config, weights)


def lora(config: Any) -> Any:
    """Give peft's configuration for a run's `lora_rank` and `lora_alpha`; None for rank 0."""
    if not config.lora_rank:
        return None
    from peft import LoraConfig

    return LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=LORA_LAYERS)


def freeze_vision(model: Any) -> None:
    """Freeze the vision encoder but not its merger (paper: ViT frozen, merger MLP and language model trained)."""
    for name, parameter in model.named_parameters():
        if (".visual." in name or "vision_tower" in name) and "merger" not in name:
            parameter.requires_grad_(False)


def export(
    model: Any, processor: Any, folder: Path, info: ModelInfo, config: RunConfig, weights: dict[str, Any] | None = None
) -> None:
    """Write the tuned model as a model folder that grounder, node and evaluation read; it appears when complete.

    `weights` are the whole ones where `model` holds a part only.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.set_attn_implementation("sdpa")
    model.save_pretrained(part, state_dict=weights)
    processor.save_pretrained(part)
    # Reinforcement learning leaves a model's way of answering as it is.
    reasons = getattr(config, "reasoning", info.reasoning)
    tasks = cast(tuple[Task, ...], tuple(config.tasks))
    write_info(part, info.trained(name=config.name, tasks=tasks, reasoning=reasons))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _check(config: SFTStageConfig) -> None:
    """Refuse settings that can't go together; ConfigurationError names the remedy."""
    supervised = config.soft_width > 0 or config.attention_weight > 0
    if config.lora_rank and config.optimizer == "muon":
        raise ConfigurationError("optimizer=muon is for whole matrices, not for LoRA's factors; use adamw")
    if not supervised:
        return
    if config.lora_rank:
        raise ConfigurationError("soft_width and attention_weight are for the embedded model, which needs no LoRA")
    from transformers import AutoTokenizer

    path = resolve(config.model, offline=config.offline)
    known = AutoTokenizer.from_pretrained(path).get_vocab()
    if load_info(path).family != "qwen3_vl" or "1000" not in known:
        raise ConfigurationError(
            f"soft_width and attention_weight are for the embedded model, whose numbers are tokens; set both to 0 "
            f"for {config.model}"
        )


def sft(config: SFTStageConfig) -> Path:
    """Run (or resume) supervised fine-tuning and return the model folder that it wrote."""
    join_group()
    folder = by_first(open_run, "sft", config)
    if by_first(is_finished, folder):
        return folder / "final"
    model_of(config)
    _check(config)
    by_first(prepare, config, folder)
    run_processes(_run, config.processes, config, folder)
    return folder / "final"
