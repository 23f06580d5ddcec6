"""The settings that every run has."""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.families import FAMILIES, TASKS
from egm_core.train.configuration import limits, setting

REPORTS = ("tensorboard", "wandb")


@dataclass
class RunConfig:
    """The settings that all training stages share.

    `minutes` (0: no limit) ends a start of the run by the clock, as if its steps were done, for a machine that is lent:
    choose a `scheduler` that holds the rate, for the steps that are left would have lowered it.

    `family` is the family that a file's values are for (empty: any). `tolerate` replaces the data check's bounds, by
    kind (see `data_kinds`), and `missing_share` is that of the images that can't be used.
    """

    model: str = setting("egm_tiny")
    output: str = setting("runs/run", changeable=True)
    name: str = setting("egm_model", changeable=True)
    tasks: list[str] = field(default_factory=lambda: list(TASKS), metadata=limits(choices=TASKS))
    seed: int = setting(0, low=0, high=2**32 - 1)
    minutes: float = setting(0.0, low=0, changeable=True)
    save_steps: int = setting(200, low=1, changeable=True)
    logging_steps: int = setting(20, low=1, changeable=True)
    report_to: list[str] = field(
        default_factory=lambda: ["tensorboard"], metadata=limits(choices=REPORTS, changeable=True)
    )
    missing_share: float = setting(0.01, low=0, high=1, changeable=True)
    tolerate: dict[str, float] = field(default_factory=dict, metadata=limits(changeable=True))
    family: str = setting("", choices=("", *FAMILIES))
    offline: bool = setting(True, changeable=True)
