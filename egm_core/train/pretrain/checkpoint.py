"""Checkpoints that survive a kill or a full disk: written beside, then renamed; the last whole one is read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

STATE = "state.pt"
DONE = "whole.json"


def save(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write a checkpoint as `folder/step-<n>` and drop all but the newest `keep`.

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
    for old in whole(folder)[:-keep]:
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
    """Read the newest whole checkpoint: its step and state; None where there is none."""
    checkpoints = whole(folder)
    if not checkpoints:
        return None
    path = checkpoints[-1]
    state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    return int(path.name.removeprefix("step-")), state
