"""The settings that every run has."""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.families import FAMILIES, TASKS
from egm_core.train.configuration import limits, setting

REPORTS = ("tensorboard", "wandb")


@dataclass
class RunConfig:
    """The settings that all training stages share."""

    model: str = setting("egm_tiny", description="model to train: a folder, or egm_tiny for the embedded one")
    output: str = setting("runs/run", changeable=True, description="folder of the run; the model ends in its final/")
    name: str = setting("egm_model", changeable=True, description="name of the trained model, as its egm.json says")
    tasks: list[str] = field(
        default_factory=lambda: list(TASKS),
        metadata=limits(choices=TASKS, description="boxes that the model learns to give"),
    )
    seed: int = setting(0, low=0, high=2**32 - 1, description="seed of all that is drawn at random")
    minutes: float = setting(
        0.0,
        low=0,
        changeable=True,
        unit="min",
        description="end a start of the run by the clock, as if its steps were done, for a machine that is lent; 0: no "
        "limit. Choose a scheduler that holds the rate, for the steps that are left would have lowered it",
    )
    save_steps: int = setting(200, low=1, changeable=True, unit="steps", description="steps between checkpoints")
    logging_steps: int = setting(20, low=1, changeable=True, unit="steps", description="steps between logged figures")
    report_to: list[str] = field(
        default_factory=lambda: ["tensorboard"],
        metadata=limits(choices=REPORTS, changeable=True, description="where figures go besides metrics.jsonl"),
    )
    missing_share: float = setting(
        0.01, low=0, high=1, changeable=True, description="share of the images that may be missing or broken"
    )
    tolerate: dict[str, float] = field(
        default_factory=dict,
        metadata=limits(
            changeable=True,
            description="bounds that replace the data check's own, by kind: the share of records that may be of it",
        ),
    )
    family: str = setting(
        "", choices=("", *FAMILIES), description="family of models that this file's values are for; empty: any"
    )
    offline: bool = setting(True, changeable=True, description="take models from disk only; false: download hub names")
