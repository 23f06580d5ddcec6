"""What a run puts on each GPU, by its settings, and whether that fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from egm_core.train.plan.architectures import Picture, Sizes
from egm_core.train.plan.machine import Machine
from egm_core.train.plan.memory import GIB, USABLE, Load, Need, Rollout, needs, peak, vllm_sequences
from egm_core.train.plan.steps import by_verl, micro_batches

# The words of the prompt and of the chat template, by far outweighed by the picture.
TEXT_TOKENS = 60


@dataclass(frozen=True)
class Estimate:
    """A run's memory on each GPU: its lines, what they come to, and how much a GPU has to give (bytes)."""

    lines: list[Need]
    peak: float
    usable: float
    sequences: int | None

    @property
    def fits(self) -> bool:
        """Tell whether the run fits, with room for one sequence at least where vLLM shares the GPU."""
        return self.peak <= self.usable and self.sequences != 0


def estimated(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> Estimate:
    """Estimate what a run takes on each GPU of a machine."""
    total = machine.gpu_gib * GIB
    load = load_of(stage, settings, machine, counts, look)
    lines = needs(load, total)
    return Estimate(lines, peak(lines), USABLE * total, vllm_sequences(load, total))


def load_of(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> Load:
    """Say what a run puts on each GPU, as its engine goes about it."""
    load = Load(
        counts,
        look,
        machine.gpus,
        machine.sharding,
        batch=settings.micro_batch if stage == "rl" else settings.batch,
        prompt_tokens=look.tokens + TEXT_TOKENS,
        completion_tokens=settings.max_tokens if stage == "rl" else machine.answer_tokens,
        frozen_vision=settings.freeze_vision,
        lora_rank=settings.lora_rank,
        checkpointing=stage == "rl" or settings.gradient_checkpointing,
    )
    if stage == "sft":
        return load
    reference = settings.kl > 0 and not settings.lora_rank
    if by_verl(settings):
        own = settings.verl
        batch = settings.micro_batch
        if own.tokens_per_gpu:
            batch = max(1, own.tokens_per_gpu // (load.prompt_tokens + load.completion_tokens))
        # verl keeps pictures on the CPU but for those of a pass.
        rollout = Rollout(
            "colocate", batch, own.rollout_memory, True, settings.vllm_tensor_parallel, reference, own.offload
        )
        return replace(load, batch=batch, whole_logits=True, rollout=rollout)
    _, at_once = micro_batches(settings, machine)
    rollout = Rollout(
        settings.rollout,
        settings.micro_batch * at_once,
        settings.vllm_memory,
        settings.vllm_sleep,
        settings.vllm_tensor_parallel,
        reference,
    )
    return replace(load, rollout=rollout)


def table(machine: Machine, estimate: Estimate) -> list[str]:
    """Write an estimate as lines, one for each thing that is held."""
    lines = [f"memory on each of {machine.gpus} (sharding: {machine.sharding}), estimated, GiB"]
    for need in estimate.lines:
        when = "" if need.phase == "always" else f"  (during the {need.phase})"
        lines.append(f"  {need.bytes / GIB:8.2f}  {need.what}{when}")
    lines.append(f"  {estimate.peak / GIB:8.2f}  at the peak, of {estimate.usable / GIB:.1f} usable")
    if estimate.sequences is not None:
        lines.append(f"  vLLM's share holds {estimate.sequences} whole sequences at a time")
    return lines
