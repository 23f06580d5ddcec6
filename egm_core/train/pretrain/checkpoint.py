"""Checkpoints that survive a kill or a full disk: written beside, then renamed; the last whole one is read."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from egm_core.train.configuration import ConfigurationError

_log = logging.getLogger("egm.train")
CONFIG = "config.json"
STATE = "state.pt"
DONE = "whole.json"


def save(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write a checkpoint as `folder/step-<n>` and drop those of later steps, and all but the newest `keep`.

    Nothing that was there is touched before the new one is whole; OSError (disk full) leaves the old ones.
    """
    target = folder / f"step-{step:08d}"
    partial = folder / f".partial-{step:08d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with open(partial / STATE, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        (partial / DONE).write_text(json.dumps({"step": step, "bytes": (partial / STATE).stat().st_size}))
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    # Later ones are damaged, or of a run that went on from before them: they would be read again, or count as kept.
    later = [path for path in folder.glob("step-*") if path.name > target.name]
    kept = [path for path in whole(folder) if path not in later]
    for old in [*later, *kept[:-keep]]:
        shutil.rmtree(old)
    return target


def whole(folder: Path) -> list[Path]:
    """List the whole checkpoints of a folder, oldest first; torn ones are left out."""
    found = []
    for path in sorted(folder.glob("step-*")):
        try:
            size = json.loads((path / DONE).read_text())["bytes"]
            if (path / STATE).stat().st_size == size:
                found.append(path)
        except (OSError, ValueError, KeyError):
            continue
    return found


def load_last(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """Read the newest checkpoint that can be read: its step and state; None where there is none at all.

    One that is damaged is named and passed over. OSError where all of them are: a run would begin anew in silence.
    """
    whole_ones = whole(folder)
    for path in sorted(folder.glob("step-*"), reverse=True):
        if path in whole_ones:
            try:
                state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
                return int(path.name.removeprefix("step-")), state
            except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
                _log.debug("%s: %s", path, error)
        _log.warning("the checkpoint %s is damaged and left aside", path)
    if any(folder.glob("step-*")):
        raise OSError(
            f"no checkpoint in {folder} can be read; remove its step-* folders to begin anew, or name another"
        )
    return None


def refuse_other(folder: Path, architecture: dict[str, Any]) -> None:
    """Refuse to go on from the checkpoints of a model of other sizes; ConfigurationError names these."""
    try:
        before = json.loads((folder / CONFIG).read_text())["architecture"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    now = json.loads(json.dumps(architecture))
    other = [
        f"{key} was {before[key]} and is now {now[key]}" for key in now if key in before and before[key] != now[key]
    ]
    if other and whole(folder):
        raise ConfigurationError(
            f"{folder} holds a run of another architecture ({', '.join(other)}); ask for the same to go on with it, "
            "name another output, or remove the folder"
        )
