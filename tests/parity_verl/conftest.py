"""Tiny checkpoints of this environment, and verl's configuration for training one.

They are not shared with the other tests, whose transformers is another version.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def compose_verl() -> Callable[..., Any]:
    """Compose verl's configuration from one of ours with verl's own files: (config, family, model, train)."""
    from hydra import compose, initialize_config_module

    from egm_core.train.rl.verl.settings import overrides

    def composed(*of: Any) -> Any:
        with initialize_config_module("verl.trainer.config", version_base=None):
            return compose("ppo_trainer", overrides=overrides(*of))

    return composed


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3-VL model folder."""
    from checkpoints import make_qwen

    folder = tmp_path_factory.mktemp("models") / "qwen"
    make_qwen(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_internvl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random InternVL-hf model folder."""
    from checkpoints import make_internvl

    folder = tmp_path_factory.mktemp("models") / "internvl"
    make_internvl(folder)
    return folder
