"""The settings of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.train.configuration import limits, setting
from egm_core.train.run.config import RunConfig

SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")


@dataclass
class SFTStageConfig(RunConfig):
    """All settings of a fine-tuning run."""

    data: list[str] = field(
        default_factory=list, metadata=limits(description="sample files to learn from, .jsonl or .parquet")
    )
    output: str = setting("runs/sft", changeable=True, description="folder of the run; the model ends in its final/")
    learning_rate: float = setting(1e-5, above=0, high=1, description="peak rate of AdamW")
    epochs: float = setting(1.0, above=0, high=1000, description="passes through the data")
    max_steps: int = setting(-1, low=1, allow=(-1,), unit="steps", description="length of the run; -1: by epochs")
    batch: int = setting(16, low=1, unit="samples", description="batch of each process (GPU)")
    accumulation: int = setting(1, low=1, unit="batches", description="batches that make an update")
    warmup: float = setting(0.03, low=0, description="share of the steps that warm up; their number, from 1 on")
    scheduler: str = setting("cosine", choices=SCHEDULERS, description="course of the rate after the warm-up")
    weight_decay: float = setting(0.0, low=0, high=1, description="decay of the weights in each update")
    clip: float = setting(1.0, above=0, description="greatest norm of the gradient")
    optimizer: str = setting("adamw", choices=("adamw", "muon"), description="optimizer; muon is for the matrices")
    matrix_rate: float = setting(0.02, above=0, high=1, description="Muon's rate")
    group_lengths: bool = setting(False, description="make updates of samples of near lengths, which saves padding")
    freeze_vision: bool = setting(True, description="leave the vision tower as it is")
    reasoning: bool = setting(
        True,
        description="learn to reason first; false: to answer directly, whatever the data have, and egm.json says so",
    )
    lora_rank: int = setting(0, low=0, high=1024, description="rank of LoRA; 0: train the weights themselves")
    lora_alpha: int = setting(32, low=1, description="scale of LoRA: its share is lora_alpha / lora_rank")
    gradient_checkpointing: bool = setting(
        True, changeable=True, description="compute activations twice, which takes less memory and more time"
    )
    soft_width: float = setting(
        0.0,
        low=0,
        unit="thousandths of the image",
        description="width of the soft targets of coordinates; 0: cross-entropy alone",
    )
    attention_weight: float = setting(
        0.0, low=0, description="weight of the loss that draws attention to the object meant; 0: none"
    )
    attention_layer: int = setting(2, low=0, description="decoder layer that this loss looks at, from 0 on")
    attention_heads: int = setting(2, low=1, description="number of that layer's heads that it takes")
    held_out: list[str] = field(
        default_factory=list,
        metadata=limits(description="sample files whose loss decides which checkpoint is kept; empty: the last"),
    )
    eval_steps: int = setting(
        0, low=0, changeable=True, unit="steps", description="steps between looks at held_out; 0: save_steps"
    )
    processes: int = setting(1, low=1, high=1024, description="processes on this machine, for a CPU or several GPUs")
    workers: int = setting(0, low=0, high=256, changeable=True, description="processes that load data; 0: the trainer")
