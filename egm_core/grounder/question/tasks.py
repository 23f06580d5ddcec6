"""Which boxes a model is asked for: the visible ones, and the amodal ones where it knows those or is forced to."""

from __future__ import annotations

from egm_core.families import Task
from egm_core.models.folder import ModelInfo


def planned(model: ModelInfo, tasks: tuple[Task, ...] | None, force: bool) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Give the tasks to ask for, and what is said of that; `model` is the one for amodal boxes."""
    declared = model.declares("amodal")
    if not (force or (declared if tasks is None else "amodal" in tasks)):
        return ("visible",), ()
    if declared:
        return ("visible", "amodal"), ()
    if force:
        return ("visible", "amodal"), (f"amodal_forced: {model.name} was not trained for amodal boxes",)
    return ("visible",), (f"amodal_undeclared: {model.name} was not trained for amodal boxes; force_amodal asks it",)
