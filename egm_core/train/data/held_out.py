"""Held-out files: a run is asked them every so often, and the checkpoint that does best there is kept.

`best.json` in the run's folder names it. Beside it the newest checkpoint is kept, from which a run resumes; `final/` is
the last step's model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import Checking, DataCheck, check_data
from egm_core.train.data.same_pictures import shared_pictures

FOLDER = "held_out"
SHOWN = 3


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


def check_held_out(folder: Path, config: Any, checking: Checking, learnt: DataCheck) -> DataCheck:
    """Check the held-out data as those that are `learnt` from were, and give what was found.

    Raises ConfigurationError where pictures of the training are among them, whatever their files are called: what was
    seen says nothing. A picture that was written anew, with other bytes, is not recognised.
    """
    found = check_data(folder / FOLDER, replace(checking, files=tuple(Path(file) for file in config.held_out)))
    same = shared_pictures({s.image for _, s in found.records}, {s.image for _, s in learnt.records})
    seen = [place for place, sample in found.records if sample.image in same]
    if seen:
        raise ConfigurationError(
            f"{len(seen)} held-out records show pictures of the training data ({', '.join(seen[:SHOWN])}); take them "
            "out of one of both",
            "held_out",
        )
    return found
