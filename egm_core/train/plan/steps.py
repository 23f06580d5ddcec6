"""What a stage makes of its samples: how many of them are a step, and how many steps there are."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from egm_core.train.plan.machine import Machine


def steps_of(stage: str, settings: Any, machine: Machine, samples: int) -> tuple[str, str]:
    """Say what a step is, and how many there are, in words."""
    if stage == "sft":
        whole = settings.batch * settings.accumulation * machine.gpus
        batch = f"{whole} samples: batch {settings.batch} x accumulation {settings.accumulation} x {machine.gpus} GPUs"
        steps = math.ceil(math.ceil(samples / (settings.batch * machine.gpus)) / settings.accumulation)
    elif by_verl(settings):
        from egm_core.train.rl.verl.settings import refuse

        refuse(settings)
        batch = f"{settings.prompts} prompts x {settings.generations} answers, by verl on {machine.gpus} GPUs"
        steps = samples // settings.prompts
    else:
        accumulated, at_once = micro_batches(settings, machine)
        batch = (
            f"{settings.prompts} prompts x {settings.generations} answers: {accumulated} micro-batches of "
            f"{settings.micro_batch} on each of {machine.gpus} GPUs, answered {at_once} micro-batches at a time"
        )
        rolled = settings.prompts * at_once // accumulated
        steps = math.ceil(samples // rolled * rolled / settings.prompts)
    total = settings.max_steps if settings.max_steps > 0 else math.ceil(steps * settings.epochs)
    if not samples and settings.max_steps < 0:
        return (
            batch,
            f"{settings.epochs:g} epochs of samples whose number is not known here; plan.samples=N counts with N",
        )
    return batch, f"{total:,}, {steps:,} an epoch, {settings.epochs:g} epochs; a checkpoint every {settings.save_steps}"


def micro_batches(settings: Any, machine: Machine) -> tuple[int, int]:
    """Give how many micro-batches are a step on each GPU, and how many of them are answered at a time."""
    from egm_core.train.rl.config import accumulation

    accumulated = accumulation(replace(settings, processes=machine.gpus))
    return accumulated, settings.steps_per_generation or accumulated


def by_verl(settings: Any) -> bool:
    """Tell whether verl runs it, and not TRL."""
    return getattr(settings, "engine", "") == "verl"
