"""The settings of pretraining: two stages, their rates over time, and the device that they run on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from egm_core.tiny.architecture import Architecture
from egm_core.train.configuration import ConfigurationError, setting


@dataclass
class Stage:
    """One stage's length and rates: steps, warm-up, the share of the stage in which the rate decays.

    With `minutes` the stage ends by the clock instead of by `steps`, for a machine that is lent or shared: the rate
    then follows the time. Minutes of earlier starts count; changing them for a resumed run moves its end.
    """

    steps: int = 1000
    batch: int = 8
    rate: float = 1.5e-3
    matrix_rate: float = 0.02
    vision_scale: float = 1.0
    warmup: int = 100
    decay: float = 0.5
    minutes: float = 0.0


@dataclass
class PretrainConfig:
    """All settings of a pretraining run.

    `start` names a model folder to go on from, such as an earlier version of the embedded model; empty: from nothing.
    The heads that training throws away are new then too, so a short dense stage comes first all the same.
    `views` is how often a scene may be seen (0: no limit); the run then waits for scenes that are rendered as it goes.
    `loaders` helper processes make the batches of each process: one feeds a CPU, a GPU takes what the cores give.
    `device` auto is the GPU where there is one; `dtype` auto is bfloat16 there and float32 on a CPU, weights float32.
    """

    scenes: str = "runs/scenes"
    views: int = 0
    start: str = ""
    output: str = "runs/egm_tiny/pretrain"
    architecture: Architecture = field(default_factory=Architecture)
    dense: Stage = field(default_factory=lambda: Stage(steps=4000, batch=32, warmup=150, decay=0.35))
    joint: Stage = field(default_factory=lambda: Stage(steps=8000, batch=8, vision_scale=0.3, decay=0.5))
    processes: int = 2
    loaders: int = setting(1, low=1)
    device: str = setting("auto", choices=("auto", "cpu", "cuda"))
    dtype: str = setting("auto", choices=("auto", "float32", "bfloat16"))
    expressions: int = 5
    pointings: int = 3
    reasoning: float = 0.0
    budget: int = 448
    soft_width: float = 6.0
    dense_weight: float = 0.5
    attention_weight: float = 0.5
    probe_weight: float = 0.5
    attention_layer: int = 2
    attention_heads: int = 2
    weight_decay: float = 0.03
    clip: float = 1.0
    save_minutes: float = 3.0
    seed: int = 0


def rate_factor(stage: Stage, step: int, progress: float | None = None) -> float:
    """Give the share of the peak rate at a step: warm-up, plateau, cosine decay to 2 %.

    `progress` is how much of the stage is over (0 to 1), by default by its steps.
    """
    warm = min(1.0, (step + 1) / stage.warmup)
    over = step / stage.steps if progress is None else progress
    decayed = max(0.0, (over - (1 - stage.decay)) / stage.decay) if stage.decay > 0 else 0.0
    return warm * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, decayed))))


def device_of(config: PretrainConfig) -> str:
    """Give the torch device of a run; ConfigurationError where it can't be had."""
    gpu = torch.cuda.is_available()
    if config.device == "cuda" and not gpu:
        raise ConfigurationError("device is cuda, and torch finds no GPU; use device=cpu, or mend the driver")
    device = ("cuda" if gpu else "cpu") if config.device == "auto" else config.device
    if device == "cuda" and config.processes > 1:
        raise ConfigurationError("a GPU is trained on by one process: use processes=1, and loaders to feed it")
    return device


def check_device(config: PretrainConfig) -> None:
    """Refuse a device or a precision that this machine can't give; ConfigurationError names the remedy."""
    if device_of(config) == "cpu" and config.dtype == "bfloat16" and not torch.cpu._is_avx512_bf16_supported():
        raise ConfigurationError(
            "dtype is bfloat16, whose products are some fifty times slower than float32's on this processor: it lacks "
            "avx512_bf16; use dtype=float32"
        )
