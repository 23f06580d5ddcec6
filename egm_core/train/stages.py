"""The stages of training: where each is, what its settings are, and what runs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from egm_core.train.configuration import ConfigurationError, load, strange

# How many wrong keys are named of each stage.
SHOWN = 3

# Stage: module, its configuration's class, its verb. Imported when asked for, so that --help needs no torch.
STAGES = {
    "pretrain": ("egm_core.train.pretrain.stage", "PretrainConfig", "pretrain"),
    "sft": ("egm_core.train.sft.stage", "SFTStageConfig", "sft"),
    "select": ("egm_core.train.select.stage", "SelectConfig", "select"),
    "rl": ("egm_core.train.rl.stage", "RLConfig", "rl"),
}
# Where the settings are declared: light modules, for help.
_SETTINGS = {
    "pretrain": ("egm_core.train.pretrain.config", "PretrainConfig"),
    "sft": ("egm_core.train.sft.config", "SFTStageConfig"),
    "select": ("egm_core.train.select.config", "SelectConfig"),
    "rl": ("egm_core.train.rl.config", "RLConfig"),
    "plan": ("egm_core.train.plan.machine", "Machine"),
}


def settings_of(stage: str) -> type[Any]:
    """Give the class that declares the settings of a stage, or of `plan`."""
    module, kind = _SETTINGS[stage]
    found: type[Any] = getattr(import_module(module), kind)
    return found


def stage_config(stage: str, file: Path, overrides: list[str]) -> Any:
    """Read a stage's configuration; ConfigurationError says so where the file is another stage's."""
    module, kind, _ = STAGES[stage]
    try:
        return load(getattr(import_module(module), kind), file, overrides)
    except ConfigurationError as error:
        others = [other for other in STAGES if other != stage and error.key and _reads(other, file)]
        if not others or any(word.split("=", 1)[0].strip() == error.key for word in overrides):
            raise
        raise ConfigurationError(
            f"{error} (this is a file of the stage {' or '.join(others)}: egm train {others[0]} --config {file})",
            error.key,
        ) from error


def _reads(stage: str, file: Path) -> bool:
    """Tell whether a file is one of a stage, by its keys and values."""
    module, kind, _ = STAGES[stage]
    try:
        load(getattr(import_module(module), kind), file)
    except ConfigurationError:
        return False
    return True


def misfits(file: Path, overrides: list[str]) -> str:
    """Say of a file that no stage takes what each stage has against it, the nearest stage first."""
    found = []
    for stage, (module, kind, _) in STAGES.items():
        config = getattr(import_module(module), kind)
        keys = strange(config, file, overrides)
        if keys:
            near = [f"{key!r} (did you mean {meant!r}?)" if meant else repr(key) for key, meant in keys.items()]
            more = f" and {len(near) - SHOWN} more" if len(near) > SHOWN else ""
            found.append((len(keys), f"{stage} does not know {', '.join(near[:SHOWN])}{more}"))
            continue
        try:
            load(config, file, overrides)
        except ConfigurationError as error:
            found.append((0, f"{stage}: {error}"))
    return "; ".join(words for _, words in sorted(found, key=lambda pair: pair[0]))
