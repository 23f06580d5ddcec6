"""The hub's cache on this machine: where a model lies that was fetched before. Nothing is asked of anybody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cached(repository: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Give the folder of a hub's model that was fetched before, of the version that was fetched last; else None."""
    home = Path(environment.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    folder = Path(environment.get("HF_HUB_CACHE") or home / "hub") / f"models--{repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except OSError:
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if (snapshot / "config.json").is_file() else None
