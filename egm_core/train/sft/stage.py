"""Supervised fine-tuning on reasoning (paper, section 4.3): TRL's SFTTrainer over sample records.

    egm train sft --config training/egm_tiny/sft.yaml [key=value ...]

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
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from egm_core.boxes import to_relative
from egm_core.families import TASKS, Family, Task
from egm_core.families.thinking import Thinking
from egm_core.models.folder import ModelInfo
from egm_core.sample import Sample
from egm_core.torchvision_shim import install_schemas
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking
from egm_core.train.data.held_out import held_out_arguments
from egm_core.train.data.prepared import prepare_tables, prepared
from egm_core.train.data.special_tokens import special_tokens
from egm_core.train.data.table import with_pictures
from egm_core.train.run.folder import KEPT, Start, is_finished, model_of, open_run
from egm_core.train.run.group import PATIENCE, by_first, join_group
from egm_core.train.run.helpers import METHOD, helper_context
from egm_core.train.run.processes import run_processes
from egm_core.train.run.training import freeze_vision, lora, train_to_end
from egm_core.train.sft.config import SFTStageConfig

# Texts whose tokens are counted together.
SLICE = 4096


def rows(
    samples: Iterable[Sample],
    speaker: Family,
    tasks: list[str],
    start: str,
    end: str,
    ask: Callable[[str, Task], str] | None = None,
    reasoning: bool = True,
    begins: Thinking | None = None,
    direct: str = "",
) -> Iterator[dict[str, str]]:
    """Turn samples into prompt, completion and image file: one row per sample and task that it has a truth for.

    `start` is the chat text of a prompt with `{prompt}` in its place, `end` the end-of-turn token; `ask` words the
    prompt where a model has its own words (default: the family's). Without `reasoning` the targets have none.
    `begins` is where the chat template leaves off (default: where the family's own does), and `direct` the chat text
    for a target without a reasoning, where the template writes another one.
    """
    for sample in samples:
        for task in TASKS:
            if task not in tasks or not sample.asks(task):
                continue
            box = sample.truth(task)
            scaled = None if box is None else to_relative(box, sample.width, sample.height, speaker.frame)
            trace = sample.reasoning if task == "visible" else sample.amodal_reasoning
            trace = trace.strip() if reasoning else ""
            opening = (begins or speaker.thinking).opening(bool(trace))
            chat = start if trace else direct or start
            yield {
                "prompt": chat.replace("{prompt}", (ask or speaker.prompt)(sample.sent, task)),
                "completion": speaker.target(sample.sent, scaled, trace, task, opening) + end,
                "image": sample.picture,
            }


def chat_start(processor: Any, template: dict[str, Any] | None = None) -> str:
    """Give the chat text of one picture and `{prompt}`, up to where the answer begins.

    `template` are further arguments of the chat template.
    """
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "{prompt}"}]}]
    written = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False, **(template or {}))
    return str(written)


def prepare(config: SFTStageConfig, folder: Path, model: Start) -> int:
    """Write the run's rows into its folder, without those whose image can't be used, and give their number.

    Raises ConfigurationError where too many images are bad or nothing is left to learn.
    """
    install_schemas()
    from datasets import Value
    from transformers import AutoProcessor

    info = model.info
    processor = AutoProcessor.from_pretrained(model.path)
    end, begins = processor.tokenizer.eos_token, info.thinking or info.speaker.thinking
    start, direct = (chat_start(processor, begins.switched(wish)) for wish in (True, False))

    def made(samples: Iterable[Sample]) -> Iterator[dict[str, Any]]:
        left = rows(samples, info.speaker, config.tasks, start, end, info.prompt, config.reasoning, begins, direct)
        while batch := list(islice(left, SLICE)):
            ids = processor.tokenizer([r["prompt"] + r["completion"] for r in batch], add_special_tokens=False)
            yield from ({**row, "length": len(one)} for row, one in zip(batch, ids["input_ids"], strict=True))

    columns = {**dict.fromkeys(("prompt", "completion", "image"), Value("string")), "length": Value("int32")}
    count = prepare_tables(folder, config, checking(config, info, model.path), made, columns)
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
        dataloader_multiprocessing_context=METHOD if config.workers else None,
        save_steps=config.save_steps,
        save_total_limit=KEPT,
        logging_steps=config.logging_steps,
        report_to=list(config.report_to),
        seed=config.seed,
        remove_unused_columns=False,
        per_device_eval_batch_size=config.batch,
        **held_out_arguments(config, "eval_loss"),
    )


def make_trainer(config: SFTStageConfig, folder: Path, start: Start) -> Any:
    """Give the trainer of a run whose rows are prepared: model, processor, rows and watchers put together."""
    install_schemas()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from egm_core.train.run.callbacks import Best, callbacks
    from egm_core.train.sft.trainer import EGMSFTTrainer

    model = AutoModelForImageTextToText.from_pretrained(start.path, dtype=torch.float32)
    if config.freeze_vision:
        freeze_vision(model)
    helper_context("egm_core.train.sft.trainer")
    learnt, held_out = prepared(folder, config)
    return EGMSFTTrainer(
        config,
        model=model,
        args=sft_arguments(config),
        train_dataset=with_pictures(learnt),
        eval_dataset=with_pictures(held_out) if held_out else None,
        processing_class=AutoProcessor.from_pretrained(start.path),
        peft_config=lora(config),
        callbacks=[*callbacks(folder, minutes=config.minutes), *([Best(folder)] if held_out else [])],
    )


def _run(rank: int, config: SFTStageConfig, folder: Path, start: Start) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    train_to_end(make_trainer(config, folder, start), config, folder, start)


def _check(config: SFTStageConfig, model: Start) -> None:
    """Refuse settings that can't go together; ConfigurationError names the remedy."""
    supervised = config.soft_width > 0 or config.attention_weight > 0
    if config.lora_rank and config.optimizer == "muon":
        raise ConfigurationError("optimizer=muon is for whole matrices, not for LoRA's factors; use adamw")
    if not supervised:
        return
    if config.lora_rank:
        raise ConfigurationError("soft_width and attention_weight are for the embedded model, which needs no LoRA")
    from transformers import AutoTokenizer

    known = AutoTokenizer.from_pretrained(model.path).get_vocab()
    if model.info.family != "qwen3_vl" or "1000" not in known:
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
    model = model_of(config)
    _check(config, model)
    by_first(prepare, config, folder, model)
    run_processes(_run, config.processes, config, folder, model)
    return folder / "final"
