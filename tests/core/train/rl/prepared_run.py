"""A trainer of reinforcement learning over data that are prepared first, as the stage does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from egm_core.train.rl.config import RLConfig
from egm_core.train.rl.stage import build_trainer, prepare
from egm_core.train.run.folder import model_of


def built(config: RLConfig, folder: Path) -> Any:
    """Prepare a run's data and give its trainer."""
    model = model_of(config)
    prepare(config, folder, model)
    return build_trainer(config, folder, model)
