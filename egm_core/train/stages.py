"""The stages of training: where each is, what its settings are, and what runs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from egm_core.train.configuration import ConfigurationError, load

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
            f"{error} (this is a file of the stage {' or '.join(others)}: python -m egm_core.train {others[0]} "
            f"--config {file})",
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
