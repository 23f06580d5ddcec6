"""The settings of pretraining: two stages, their rates over time, and the device that they run on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from egm_core.tiny.shape import Architecture
from egm_core.train.configuration import ConfigurationError, limits, setting


@dataclass
class Stage:
    """One stage's length and rates: steps, warm-up, the share of the stage in which the rate decays.

    With `minutes` the stage ends by the clock instead of by `steps`, for a machine that is lent or shared: the rate
    then follows the time. Minutes of earlier starts count; changing them for a resumed run moves its end.
    """

    steps: int = setting(1000, low=1, unit="steps", description="length of the stage")
    batch: int = setting(8, low=1, unit="scenes", description="scenes of an update in each process")
    rate: float = setting(1.5e-3, above=0, description="peak rate of AdamW, for all that is no matrix")
    matrix_rate: float = setting(0.02, above=0, description="peak rate of Muon, for the matrices")
    vision_scale: float = setting(1.0, low=0, description="factor of both rates for the vision tower")
    warmup: int = setting(100, low=1, unit="steps", description="steps in which the rate rises")
    decay: float = setting(0.5, low=0, high=1, description="last share of the stage, in which the rate falls to 2 %")
    minutes: float = setting(0.0, low=0, unit="min", description="end the stage by the clock; 0: by its steps")


@dataclass
class PretrainConfig:
    """All settings of a pretraining run."""

    scenes: str = setting("runs/scenes", description="folder of rendered shards, from egm scenes render")
    views: int = setting(
        0, low=0, description="how often a scene may be seen; 0: no limit. The run waits for scenes rendered meanwhile"
    )
    start: str = setting(
        "",
        description="model folder to go on from; empty: from nothing. The heads that training throws away are new all "
        "the same, so a short dense stage comes first",
    )
    output: str = setting("runs/egm_tiny/pretrain", description="folder of the run; the model ends in its final/")
    architecture: Architecture = field(
        default_factory=Architecture, metadata=limits(description="sizes of the model; see those below it")
    )
    dense: Stage = field(
        default_factory=lambda: Stage(steps=4000, batch=32, warmup=150, decay=0.35),
        metadata=limits(description="first stage: the vision tower learns what each patch shows"),
    )
    joint: Stage = field(
        default_factory=lambda: Stage(steps=8000, batch=8, vision_scale=0.3, decay=0.5),
        metadata=limits(description="second stage: the whole model learns to answer"),
    )
    processes: int = setting(2, low=1, description="processes that train, on a CPU; a GPU takes one")
    loaders: int = setting(
        1, low=1, description="processes that make batches, for each that trains; a GPU takes what the cores give"
    )
    device: str = setting("auto", choices=("auto", "cpu", "cuda"), description="where to train; auto: a GPU if any")
    dtype: str = setting(
        "auto",
        choices=("auto", "float32", "bfloat16"),
        description="numbers to compute with, weights stay float32; auto: bfloat16 on a GPU and on a CPU "
        "that multiplies in it (avx512_bf16), else float32",
    )
    expressions: int = setting(5, low=0, description="referring expressions asked of a scene")
    pointings: int = setting(3, low=0, description="questions of a scene that point with a place instead of words")
    reasoning: float = setting(0.0, low=0, high=1, description="share of the scenes asked with reasoning")
    budget: int = setting(448, low=1, unit="tokens", description="tokens of a scene's questions and answers together")
    soft_width: float = setting(
        6.0, low=0, unit="thousandths of the image", description="width of the soft targets of coordinates; 0: none"
    )
    dense_weight: float = setting(0.5, low=0, description="weight of the dense head's loss in the joint stage")
    attention_weight: float = setting(0.5, low=0, description="weight of the loss that draws attention to the object")
    probe_weight: float = setting(0.5, low=0, description="weight of the loss that reads boxes off image tokens")
    attention_layer: int = setting(2, low=0, description="decoder layer that the attention's loss looks at, from 0 on")
    attention_heads: int = setting(2, low=1, description="number of that layer's heads that it takes")
    weight_decay: float = setting(0.03, low=0, high=1, description="AdamW's decay of the weights in each update")
    clip: float = setting(1.0, above=0, description="greatest norm of the gradient")
    save_minutes: float = setting(3.0, low=0, unit="min", description="minutes between checkpoints")
    seed: int = setting(0, low=0, description="seed of all that is drawn at random")


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
    # Here, so that help on the settings needs no torch.
    import torch

    gpu = torch.cuda.is_available()
    if config.device == "cuda" and not gpu:
        raise ConfigurationError("device is cuda, and torch finds no GPU; use device=cpu, or mend the driver")
    device = ("cuda" if gpu else "cpu") if config.device == "auto" else config.device
    if device == "cuda" and config.processes > 1:
        raise ConfigurationError("a GPU is trained on by one process: use processes=1, and loaders to feed it")
    return device


def half_of(config: PretrainConfig, device: str) -> bool:
    """Say whether a run multiplies in bfloat16 on that kind of device."""
    import torch

    able = device == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())
    return config.dtype == "bfloat16" or (config.dtype == "auto" and able)


def check_device(config: PretrainConfig) -> None:
    """Refuse a device or a precision that this machine can't give; ConfigurationError names the remedy."""
    import torch

    if device_of(config) == "cpu" and config.dtype == "bfloat16" and not torch.cpu._is_avx512_bf16_supported():
        raise ConfigurationError(
            "dtype is bfloat16, whose products are some fifty times slower than float32's on this processor: it lacks "
            "avx512_bf16; use dtype=float32"
        )
