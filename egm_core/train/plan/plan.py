"""Say what a training run would take, and run nothing: settings, samples, steps, and memory on each GPU.

    egm train plan --config training/qwen3_vl/8b_visible_rl.yaml [key=value ...]
    egm train plan --config my_robot.yaml plan.stage=sft plan.gpus=1 plan.gpu_gib=24

Keys that begin with `plan.` describe the machine and the data (see `machine`), the others replace the file's.
A run that can't fit is refused, and the settings that would make it fit are named. The estimate is `memory`'s.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from egm_core.families import family
from egm_core.families.known import family_of_config
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.sample import Sample, read_samples
from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.plan.architectures import Picture, Sizes, architecture, picture, sizes
from egm_core.train.plan.machine import PREFIX, Machine, described
from egm_core.train.plan.memory import (
    GIB,
    USABLE,
    Load,
    Need,
    Rollout,
    needs,
    peak,
    trained_parameters,
    vllm_sequences,
)
from egm_core.train.stages import STAGES, misfits

# The words of the prompt and of the chat template, by far outweighed by the picture.
TEXT_TOKENS = 60
_NAME_DATA = "name sample files, such as data=[runs/samples/samples.jsonl], or plan with a number: plan.samples=N"
LARGE = 500_000_000
# How fast a machine is nobody can tell ahead; the trainer's log has train_runtime and train_steps_per_second.
_HOURS = (
    "steps x seconds a step / 3600; time 20 steps on that machine: the same stage with max_steps=20 output=runs/try"
)


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


def plan(config: Path, overrides: list[str]) -> str:
    """Describe the run that a configuration file and its overrides ask for.

    Raises ConfigurationError where the settings are wrong or the run can't fit.
    """
    own = [word[len(PREFIX) :] for word in overrides if word.startswith(PREFIX)]
    rest = [word for word in overrides if not word.startswith(PREFIX)]
    machine = load(Machine, None, own)
    stage, settings = _stage(config, rest, machine)
    _refuse_without_data(settings, machine, rest)
    text = [f"{config} ({stage})", "", yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False)]
    if stage == "pretrain":
        text.append(f"steps      {settings.dense.steps:,} dense, {settings.joint.steps:,} joint")
    elif stage == "select":
        text.append("samples    " + _counted(settings, machine, stage, "qwen3_vl")[1])
        text += _checked(stage, settings, "")
    else:
        text += _training(config, stage, settings, machine)
    return "\n".join(text)


def _stage(config: Path, overrides: list[str], machine: Machine) -> tuple[str, Any]:
    if not config.is_file():
        raise FileNotFoundError(f"{config} is not there; name the YAML file of a stage, such as those in training/")
    words = config.stem.split("_")
    named = [machine.stage] if machine.stage else [stage for stage in STAGES if stage in words]
    found: dict[str, Any] = {}
    for stage in named[:1] or STAGES:
        module, kind, _ = STAGES[stage]
        try:
            found[stage] = load(getattr(import_module(module), kind), config, overrides)
        except ConfigurationError:
            if named:
                raise
    if len(found) != 1:
        fit = f"it could be {' or '.join(found)}" if found else f"no stage takes it: {misfits(config, overrides)}"
        raise ConfigurationError(f"{config}: {fit}; say which stage it is for, as in plan.stage=sft")
    return next(iter(found.items()))


def _training(config: Path, stage: str, settings: Any, asked: Machine) -> list[str]:
    name = asked.architecture or _base(config, settings.model)
    shape = architecture(name)
    counts = sizes(shape)
    machine = _complete(asked, settings, counts)
    look = picture(name, shape, machine.height, machine.width)
    speaker = family_of_config(shape.to_dict())
    found, samples = _counted(settings, machine, stage, speaker)
    estimate = _estimate(stage, settings, machine, counts, look)
    trained = trained_parameters(_load(stage, settings, machine, counts, look))
    batch, steps = _steps(stage, settings, machine, found)
    head = [
        f"model      {name}: {counts.parameters:,} parameters, {trained:,} of them trained"
        + (f" (LoRA, rank {settings.lora_rank})" if settings.lora_rank else ""),
        f"samples    {samples}",
        f"a step     {batch}",
        f"steps      {steps}",
        f"hours      {_HOURS}",
        f"a picture  {machine.width} x {machine.height}: {look.tokens:,} tokens, "
        f"{look.bytes / 2**20:.1f} MiB of pixel values",
        f"machine    {described(machine, asked)}",
        "",
        *_table(machine, estimate),
    ]
    if estimate.fits:
        return [*head, *_checked(stage, settings, speaker)]
    raise ConfigurationError(
        f"{config} does not fit on {machine.gpus} GPU{'s' * (machine.gpus > 1)} of {machine.gpu_gib:g} GiB\n\n"
        + "\n".join(head)
        + "\n\n"
        + _remedies(stage, settings, machine, counts, look)
    )


def _checked(stage: str, settings: Any, speaker: str) -> list[str]:
    """Check the data where they are here, as the stage itself would: ConfigurationError where it would refuse them."""
    from egm_core.train.data.check import check_data

    missing = _missing(settings)
    if missing or not settings.data:
        return ["", f"data check: {', '.join(missing) or 'no file'} not here, so nothing was checked"]
    if stage == "select":
        from egm_core.train.select.stage import checking

        return ["", check_data(Path(settings.output), checking(settings)).text]
    own = import_module(STAGES[stage][0])
    try:
        # Never from the hub: a plan must not fetch gigabytes for the sake of a tokenizer.
        model: Path | None = resolve(settings.model)
    except FileNotFoundError:
        model = None
    info = load_info(model) if model else ModelInfo(settings.model, speaker)
    return ["", check_data(Path(settings.output), own.checking(settings, info, model)).text]


def _missing(settings: Any) -> list[str]:
    """Give the data files, and held-out ones, that are not on this machine."""
    return [file for file in (*settings.data, *getattr(settings, "held_out", ())) if not Path(file).is_file()]


def _refuse_without_data(settings: Any, machine: Machine, overrides: list[str]) -> None:
    """Refuse what no stage could start with, unless `plan.samples` says that data are to come.

    Files of the configuration's own may be on another machine; those that a user names for this plan should be here.
    """
    if machine.samples or not hasattr(settings, "data"):
        return
    if not settings.data:
        raise ConfigurationError(f"data is empty; {_NAME_DATA}", "data")
    for key in ("data", "held_out"):
        named = any(word.split("=", 1)[0].strip() == key for word in overrides)
        missing = [file for file in getattr(settings, key, ()) if not Path(file).is_file()] if named else []
        if missing:
            raise ConfigurationError(f"{key}: there is no file {', '.join(missing)}; {_NAME_DATA}", key)


def _base(config: Path, model: str) -> str:
    """Follow a model that an earlier stage has yet to leave, by the file beside this one that makes it."""
    if Path(model).name != "final" or Path(model).is_dir():
        return model
    for path in sorted(config.parent.glob("*.yaml")):
        content = yaml.safe_load(path.read_text()) or {}
        if path != config and content.get("output") == str(Path(model).parent) and "model" in content:
            return _base(path, content["model"])
    return model


def _complete(machine: Machine, settings: Any, counts: Sizes) -> Machine:
    gpus = machine.gpus or (settings.processes if settings.processes > 1 else 0)
    if _by_verl(settings):
        gpus = machine.gpus or settings.verl.nodes * settings.verl.gpus_per_node
    if not gpus:
        gpus = 8 if counts.parameters > LARGE and not settings.lora_rank else 1
    sharding = machine.sharding or ("fsdp2" if gpus > 1 and counts.parameters > LARGE else "none")
    height, width = machine.height, machine.width
    first = next(_samples(settings), None)
    if not height or not width:
        height, width = (first.height, first.width) if first else (480, 640)
    return replace(machine, gpus=gpus, sharding=sharding if gpus > 1 else "none", height=height, width=width)


def _samples(settings: Any) -> Iterator[Sample]:
    for file in settings.data:
        if Path(file).is_file():
            yield from read_samples(Path(file))


def _counted(settings: Any, machine: Machine, stage: str, speaker: str) -> tuple[int, str]:
    """Count what the stage makes of the data files; 0 where it isn't known. Gives the number and its words."""
    if machine.samples:
        return machine.samples, f"{machine.samples:,} (plan.samples)"
    missing = _missing(settings)
    if missing or not settings.data:
        which = f"no {', '.join(missing)} here" if missing else "data is empty"
        return 0, f"unknown: {which}; plan.samples=N plans with N"
    if stage == "sft":
        from egm_core.train.sft.stage import rows

        count = sum(1 for _ in rows(_samples(settings), family(speaker), settings.tasks, "{prompt}", ""))
    elif stage == "rl":
        from egm_core.train.rl.questions import questions

        count = sum(1 for _ in questions(_samples(settings), family(speaker), settings.tasks))
    else:
        count = sum(1 for _ in _samples(settings))
    return count, f"{count:,} from {', '.join(settings.data)}"


def _steps(stage: str, settings: Any, machine: Machine, samples: int) -> tuple[str, str]:
    if stage == "sft":
        whole = settings.batch * settings.accumulation * machine.gpus
        batch = f"{whole} samples: batch {settings.batch} x accumulation {settings.accumulation} x {machine.gpus} GPUs"
        steps = math.ceil(math.ceil(samples / (settings.batch * machine.gpus)) / settings.accumulation)
    elif _by_verl(settings):
        from egm_core.train.rl.verl.settings import refuse

        refuse(settings)
        batch = f"{settings.prompts} prompts x {settings.generations} answers, by verl on {machine.gpus} GPUs"
        steps = samples // settings.prompts
    else:
        accumulated, at_once = _micro_batches(settings, machine)
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


def _micro_batches(settings: Any, machine: Machine) -> tuple[int, int]:
    from egm_core.train.rl.config import accumulation

    accumulated = accumulation(replace(settings, processes=machine.gpus))
    return accumulated, settings.steps_per_generation or accumulated


def _by_verl(settings: Any) -> bool:
    return getattr(settings, "engine", "") == "verl"


def _load(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> Load:
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
    if _by_verl(settings):
        own = settings.verl
        batch = settings.micro_batch
        if own.tokens_per_gpu:
            batch = max(1, own.tokens_per_gpu // (load.prompt_tokens + load.completion_tokens))
        # verl keeps pictures on the CPU but for those of a pass.
        rollout = Rollout(
            "colocate", batch, own.rollout_memory, True, settings.vllm_tensor_parallel, reference, own.offload
        )
        return replace(load, batch=batch, whole_logits=True, rollout=rollout)
    _, at_once = _micro_batches(settings, machine)
    rollout = Rollout(
        settings.rollout,
        settings.micro_batch * at_once,
        settings.vllm_memory,
        settings.vllm_sleep,
        settings.vllm_tensor_parallel,
        reference,
    )
    return replace(load, rollout=rollout)


def _estimate(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> Estimate:
    total = machine.gpu_gib * GIB
    load = _load(stage, settings, machine, counts, look)
    lines = needs(load, total)
    return Estimate(lines, peak(lines), USABLE * total, vllm_sequences(load, total))


def _table(machine: Machine, estimate: Estimate) -> list[str]:
    lines = [f"memory on each of {machine.gpus} (sharding: {machine.sharding}), estimated, GiB"]
    for need in estimate.lines:
        when = "" if need.phase == "always" else f"  (during the {need.phase})"
        lines.append(f"  {need.bytes / GIB:8.2f}  {need.what}{when}")
    lines.append(f"  {estimate.peak / GIB:8.2f}  at the peak, of {estimate.usable / GIB:.1f} usable")
    if estimate.sequences is not None:
        lines.append(f"  vLLM's share holds {estimate.sequences} whole sequences at a time")
    return lines


def _remedies(stage: str, settings: Any, machine: Machine, counts: Sizes, look: Picture) -> str:
    changes = _changes(stage, settings, machine)
    working: list[str] = []
    for together in (1, 2, 3):
        for chosen in combinations(changes, together):
            tried = [name for name, _, _ in chosen]
            if len({word.split("=")[0] for name in tried for word in name.split()}) < len(" ".join(tried).split()):
                continue
            changed = _changed(settings, {k: v for _, values, _ in chosen for k, v in values.items()})
            there = replace(machine, **{k: v for _, _, values in chosen for k, v in values.items()})
            try:
                fits = _estimate(stage, changed, there, counts, look).fits
            except ConfigurationError:
                continue
            if fits:
                working.append(" ".join(tried))
        if working:
            return "it would fit with " + ", or ".join(working[:3])
    return "nothing within reach makes it fit: take a smaller model, or many more GPUs (plan.gpus=...)"


def _changed(settings: Any, values: dict[str, Any]) -> Any:
    own = {key.partition(".")[2]: value for key, value in values.items() if "." in key}
    settings = replace(settings, **{key: value for key, value in values.items() if "." not in key})
    return replace(settings, verl=replace(settings.verl, **own)) if own else settings


def _changes(stage: str, settings: Any, machine: Machine) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """List changes in the order of how little they alter: their words, and what they set in run and machine."""
    changes: list[tuple[str, dict[str, Any], dict[str, Any]]] = []

    def add(values: dict[str, Any], there: dict[str, Any] | None = None) -> None:
        words = [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in values.items()]
        words += [f"{PREFIX}{k}={v}" for k, v in (there or {}).items()]
        changes.append((" ".join(words), values, there or {}))

    key = "micro_batch" if stage == "rl" else "batch"
    smaller = getattr(settings, key) // 2
    while smaller >= 1 and not _by_verl(settings):
        factor = getattr(settings, key) // smaller
        add({key: smaller} if stage == "rl" else {key: smaller, "accumulation": settings.accumulation * factor})
        smaller //= 2
    if stage == "rl" and not _by_verl(settings):
        if settings.rollout == "colocate":
            if not settings.vllm_sleep:
                add({"vllm_sleep": True})
            for share in (0.2, 0.3, 0.4, 0.5, 0.6):
                add({"vllm_memory": share})
        if settings.rollout == "transformers":
            add({"rollout": "colocate"})
        accumulated, at_once = _micro_batches(settings, machine)
        for fewer in (n for n in range(at_once // 2, 0, -1) if accumulated % n == 0):
            add({"steps_per_generation": fewer})
    if _by_verl(settings):
        own = settings.verl
        for tokens in (own.tokens_per_gpu // n for n in (2, 4) if own.tokens_per_gpu):
            add({"verl.tokens_per_gpu": tokens})
        for share in (0.4, 0.5, 0.6, 0.7):
            add({"verl.rollout_memory": share})
        if not own.offload:
            add({"verl.offload": True})
    elif stage == "rl" and settings.rollout != "server":
        add({"rollout": "server"})
    if machine.gpus > 1 and machine.sharding != "fsdp2":
        add({}, {"sharding": "fsdp2"})
    if not settings.lora_rank and not _by_verl(settings):
        add({"lora_rank": 16})
    for more in (2, 4, 8, 16):
        add({}, {"gpus": machine.gpus * more, "sharding": "fsdp2"})
    return changes
