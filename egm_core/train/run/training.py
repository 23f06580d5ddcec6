"""From a trainer to a model folder: train to the end, gather the weights, export them.

Also what is trained at all: LoRA, and all but the vision encoder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, cast

import torch

from egm_core.families import Task
from egm_core.models.folder import ModelInfo, write_info
from egm_core.train.run.config import RunConfig
from egm_core.train.run.folder import Start, ended_early, is_first, ran_to_end, whole_checkpoint
from egm_core.train.run.processes import INTERRUPTED

# The decoder's matrices, those of Qwen3.5's linear attention too; the vision tower stays as it is, as in the paper.
LORA_LAYERS = r".*language_model.*\.((q|k|v|o|gate|up|down)_proj|linear_attn\.(in_proj_qkv|in_proj_z|out_proj))"


def train_to_end(trainer: Any, config: RunConfig, folder: Path, start: Start) -> None:
    """Train from the newest whole checkpoint on and write `final/`; exits with 130 where the run was asked to stop."""
    from egm_core.train.run.callbacks import give_signals_back, stopped, timed_out

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
    finish(trainer, start, folder, config)


def finish(trainer: Any, start: Start, folder: Path, config: Any) -> None:
    """Gather the weights from all processes, and let the first write `final/`."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

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
        base = AutoModelForImageTextToText.from_pretrained(start.path, dtype=torch.float32)
        tuned, weights = PeftModel.from_pretrained(base, str(folder / "adapter")).merge_and_unload(), None
    # Loaded anew, as the trainer's pads on the side that suits the training.
    export(tuned, AutoProcessor.from_pretrained(start.path), folder / "final", start.info, config, weights)


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
