"""What there is to train on: which data files are here, how many samples a stage makes of them, and whether they do."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from egm_core.families import family
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.sample import Sample, read_samples
from egm_core.train.configuration import ConfigurationError
from egm_core.train.plan.machine import Machine
from egm_core.train.stages import STAGES

_NAME_DATA = "name sample files, such as data=[runs/samples/samples.jsonl], or plan with a number: plan.samples=N"


def samples_of(settings: Any) -> Iterator[Sample]:
    """Read the samples of those data files that are here."""
    for file in settings.data:
        if Path(file).is_file():
            yield from read_samples(Path(file))


def counted(settings: Any, machine: Machine, stage: str, speaker: str) -> tuple[int, str]:
    """Count what the stage makes of the data files; 0 where it isn't known. Gives the number and its words."""
    if machine.samples:
        return machine.samples, f"{machine.samples:,} (plan.samples)"
    missing = absent(settings)
    if missing or not settings.data:
        which = f"no {', '.join(missing)} here" if missing else "data is empty"
        return 0, f"unknown: {which}; plan.samples=N plans with N"
    if stage == "sft":
        from egm_core.train.sft.stage import rows

        count = sum(1 for _ in rows(samples_of(settings), family(speaker), settings.tasks, "{prompt}", ""))
    elif stage == "rl":
        from egm_core.train.rl.questions import questions

        count = sum(1 for _ in questions(samples_of(settings), family(speaker), settings.tasks))
    else:
        count = sum(1 for _ in samples_of(settings))
    return count, f"{count:,} from {', '.join(settings.data)}"


def refuse_without_data(settings: Any, machine: Machine, overrides: list[str]) -> None:
    """Refuse what no stage could start with, unless `plan.samples` says that data are to come.

    Files of the configuration's own may be on another machine; those that a user names for this plan should be here.
    """
    if machine.samples or not hasattr(settings, "data"):
        return
    if not settings.data:
        raise ConfigurationError(f"data is empty; {_NAME_DATA}", "data")
    for key in ("data", "held_out"):
        named = any(word.split("=", 1)[0].strip() == key for word in overrides)
        missing = [file for file in getattr(settings, key, ()) if not Path(file).is_file()] if named else []
        if missing:
            raise ConfigurationError(f"{key}: there is no file {', '.join(missing)}; {_NAME_DATA}", key)


def checked(stage: str, settings: Any, speaker: str) -> list[str]:
    """Check the data where they are here, as the stage itself would: ConfigurationError where it would refuse them."""
    from egm_core.train.data.check import check_data

    missing = absent(settings)
    if missing or not settings.data:
        return ["", f"data check: {', '.join(missing) or 'no file'} not here, so nothing was checked"]
    if stage == "select":
        from egm_core.train.select.stage import checking

        return ["", check_data(Path(settings.output), checking(settings)).text]
    own = import_module(STAGES[stage][0])
    try:
        # Never from the hub: a plan must not fetch gigabytes for the sake of a tokenizer.
        model: Path | None = resolve(settings.model)
    except FileNotFoundError:
        model = None
    info = load_info(model) if model else ModelInfo(settings.model, speaker)
    return ["", check_data(Path(settings.output), own.checking(settings, info, model)).text]


def absent(settings: Any) -> list[str]:
    """Give the data files, and held-out ones, that are not on this machine."""
    return [file for file in (*settings.data, *getattr(settings, "held_out", ())) if not Path(file).is_file()]
