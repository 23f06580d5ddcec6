"""Say what a training run would take, and run nothing: settings, samples, steps, and memory on each GPU.

    egm train plan --config training/qwen3_vl/8b_visible_rl.yaml [key=value ...]
    egm train plan --config my_robot.yaml plan.stage=sft plan.gpus=1 plan.gpu_gib=24

Keys that begin with `plan.` describe the machine and the data (see `machine`), the others replace the file's.
A run that can't fit is refused, and the settings that would make it fit are named (`remedies`). The estimate is
`memory`'s.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from egm_core.families.known import family_of_config
from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.plan.architectures import Sizes, architecture, picture, sizes
from egm_core.train.plan.data import checked, counted, refuse_without_data, samples_of
from egm_core.train.plan.estimate import estimated, load_of, table
from egm_core.train.plan.machine import PREFIX, Machine, described
from egm_core.train.plan.memory import trained_parameters
from egm_core.train.plan.remedies import remedies
from egm_core.train.plan.steps import by_verl, steps_of
from egm_core.train.stages import STAGES, misfits

LARGE = 500_000_000
# How fast a machine is nobody can tell ahead; the trainer's log has train_runtime and train_steps_per_second.
_HOURS = (
    "steps x seconds a step / 3600; time 20 steps on that machine: the same stage with max_steps=20 output=runs/try"
)


def plan(config: Path, overrides: list[str]) -> str:
    """Describe the run that a configuration file and its overrides ask for.

    Raises ConfigurationError where the settings are wrong or the run can't fit.
    """
    own = [word[len(PREFIX) :] for word in overrides if word.startswith(PREFIX)]
    rest = [word for word in overrides if not word.startswith(PREFIX)]
    machine = load(Machine, None, own)
    stage, settings = _stage(config, rest, machine)
    refuse_without_data(settings, machine, rest)
    text = [f"{config} ({stage})", "", yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False)]
    if stage == "pretrain":
        text.append(f"steps      {settings.dense.steps:,} dense, {settings.joint.steps:,} joint")
    elif stage == "select":
        text.append("samples    " + counted(settings, machine, stage, "qwen3_vl")[1])
        text += checked(stage, settings, "")
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
    found, samples = counted(settings, machine, stage, speaker)
    estimate = estimated(stage, settings, machine, counts, look)
    trained = trained_parameters(load_of(stage, settings, machine, counts, look))
    batch, steps = steps_of(stage, settings, machine, found)
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
        *table(machine, estimate),
    ]
    if estimate.fits:
        return [*head, *checked(stage, settings, speaker)]
    raise ConfigurationError(
        f"{config} does not fit on {machine.gpus} GPU{'s' * (machine.gpus > 1)} of {machine.gpu_gib:g} GiB\n\n"
        + "\n".join(head)
        + "\n\n"
        + remedies(stage, settings, machine, counts, look)
    )


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
    if by_verl(settings):
        gpus = machine.gpus or settings.verl.nodes * settings.verl.gpus_per_node
    if not gpus:
        gpus = 8 if counts.parameters > LARGE and not settings.lora_rank else 1
    sharding = machine.sharding or ("fsdp2" if gpus > 1 and counts.parameters > LARGE else "none")
    height, width = machine.height, machine.width
    first = next(samples_of(settings), None)
    if not height or not width:
        height, width = (first.height, first.width) if first else (480, 640)
    return replace(machine, gpus=gpus, sharding=sharding if gpus > 1 else "none", height=height, width=width)
