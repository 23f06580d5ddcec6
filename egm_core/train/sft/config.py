"""The settings of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.train.configuration import setting
from egm_core.train.run.config import RunConfig

SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")


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
