"""What would make a run fit: settings to change, and the fewest of them together that do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from egm_core.train.configuration import ConfigurationError
from egm_core.train.plan.architectures import Picture, Sizes
from egm_core.train.plan.estimate import estimated
from egm_core.train.plan.machine import PREFIX, Machine
from egm_core.train.plan.steps import by_verl, micro_batches


@dataclass(frozen=True)
class Change:
    """One change to try: what it sets of the run, and of the machine."""

    run: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, str]:
        """Give each key as a user writes it, and its value."""
        run = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in self.run.items()}
        return run | {f"{PREFIX}{key}": str(value) for key, value in self.machine.items()}


def remedies(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> str:
    """Name the changes that would make a run fit; one alone where that is enough, else two or three together."""
    changes = list(_changes(stage, settings, machine))
    working: list[str] = []
    for together in (1, 2, 3):
        for chosen in combinations(changes, together):
            words = [(key, value) for change in chosen for key, value in change.words.items()]
            if len(dict(words)) < len(words):
                continue
            changed = _changed(settings, {key: value for change in chosen for key, value in change.run.items()})
            there = replace(machine, **{key: value for change in chosen for key, value in change.machine.items()})
            try:
                fits = estimated(stage, changed, there, counts, look).fits
            except ConfigurationError:
                continue
            if fits:
                working.append(" ".join(f"{key}={value}" for key, value in words))
        if working:
            return "it would fit with " + ", or ".join(working[:3])
    return "nothing within reach makes it fit: take a smaller model, or many more GPUs (plan.gpus=...)"


def _changed(settings: Any, values: dict[str, Any]) -> Any:
    own = {key.partition(".")[2]: value for key, value in values.items() if "." in key}
    settings = replace(settings, **{key: value for key, value in values.items() if "." not in key})
    return replace(settings, verl=replace(settings.verl, **own)) if own else settings


def _changes(stage: str, settings: Any, machine: Machine) -> Iterator[Change]:
    """List changes in the order of how little they alter."""
    if by_verl(settings):
        yield from _of_verl(settings.verl)
    else:
        yield from _smaller_batches("micro_batch" if stage == "rl" else "batch", settings)
        if stage == "rl":
            yield from _of_rollouts(settings, machine)
    if machine.gpus > 1 and machine.sharding != "fsdp2":
        yield Change({}, {"sharding": "fsdp2"})
    if not settings.lora_rank and not by_verl(settings):
        yield Change({"lora_rank": 16})
    for more in (2, 4, 8, 16):
        yield Change({}, {"gpus": machine.gpus * more, "sharding": "fsdp2"})


def _smaller_batches(key: str, settings: Any) -> Iterator[Change]:
    whole = getattr(settings, key)
    smaller = whole // 2
    while smaller >= 1:
        # In RL, accumulation follows from the number of prompts.
        more = {"accumulation": settings.accumulation * (whole // smaller)} if key == "batch" else {}
        yield Change({key: smaller, **more})
        smaller //= 2


def _of_rollouts(settings: Any, machine: Machine) -> Iterator[Change]:
    if settings.rollout == "colocate":
        if not settings.vllm_sleep:
            yield Change({"vllm_sleep": True})
        for share in (0.2, 0.3, 0.4, 0.5, 0.6):
            yield Change({"vllm_memory": share})
    if settings.rollout == "transformers":
        yield Change({"rollout": "colocate"})
    accumulated, at_once = micro_batches(settings, machine)
    for fewer in (n for n in range(at_once // 2, 0, -1) if accumulated % n == 0):
        yield Change({"steps_per_generation": fewer})
    if settings.rollout != "server":
        yield Change({"rollout": "server"})


def _of_verl(own: Any) -> Iterator[Change]:
    for tokens in (own.tokens_per_gpu // n for n in (2, 4) if own.tokens_per_gpu):
        yield Change({"verl.tokens_per_gpu": tokens})
    for share in (0.4, 0.5, 0.6, 0.7):
        yield Change({"verl.rollout_memory": share})
    if not own.offload:
        yield Change({"verl.offload": True})
