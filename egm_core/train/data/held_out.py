"""Held-out files: a run is asked them every so often, and the checkpoint that does best there is kept.

`best.json` in the run's folder names it. Beside it the newest checkpoint is kept, from which a run resumes; `final/` is
the last step's model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, check_data, placed
from egm_core.train.data.same_pictures import shared_pictures

FOLDER = "held_out"
SHOWN = 3


def held_out_files(config: Any) -> tuple[Path, ...]:
    """Give the files that a run is held against."""
    return tuple(Path(file) for file in config.held_out)


def held_out_arguments(config: Any, metric: str) -> dict[str, Any]:
    """Give the trainer's arguments for evaluation by a metric; none without held-out files."""
    if not config.held_out:
        return {}
    return {
        "eval_strategy": "steps",
        "eval_steps": config.eval_steps or config.save_steps,
        "metric_for_best_model": metric,
        "greater_is_better": not metric.endswith("loss"),
    }


def check_held_out(folder: Path, config: Any, checking: Checking) -> dict[str, str]:
    """Check the held-out data as the training's; gives the places that are left out.

    Raises ConfigurationError where pictures of the training are among them, whatever their files are called: what was
    seen says nothing. A picture that was written anew, with other bytes, is not recognised.
    """
    files: Sequence[Path] = held_out_files(config)
    if not files:
        return {}
    found = check_data(folder / FOLDER, replace(checking, files=tuple(files)))
    learnt = {sample.image for _, sample in placed(checking.files)}
    asked = {sample.image for _, sample in placed(files)}
    same = shared_pictures(asked, learnt)
    seen = [place for place, sample in placed(files) if sample.image in same]
    if seen:
        raise ConfigurationError(
            f"{len(seen)} held-out records show pictures of the training data ({', '.join(seen[:SHOWN])}); take them "
            "out of one of both",
            "held_out",
        )
    return found.left_out
