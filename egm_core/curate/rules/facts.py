"""What is known of a sample beside its trace: the words that are allowed, what hides the object, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from egm_core.boxes import Box
from egm_core.families import Task
from egm_core.sample import Sample

Side = Literal["left", "right", "top", "bottom"]
SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")
# Below this share of the object's own width or height an edge is where annotators differ, and nobody speaks of it.
LEAST_EXTENSION = 0.03


@dataclass(frozen=True)
class Facts:
    """What a trace is held against.

    `frame_colour` is the colour in which the true box was drawn for the teacher, "" where none was. `hidden_sides` are
    those on which the whole object goes beyond its visible part. `others` are names and expressions of the picture's
    other objects, and `visible_share` is None where it is not known.
    """

    expression: str
    category: str = ""
    frame_colour: str = ""
    task: Task = "visible"
    occluders: tuple[str, ...] = ()
    hidden_sides: tuple[Side, ...] = ()
    others: tuple[str, ...] = ()
    visible_share: float | None = None


def of(sample: Sample, neighbours: Iterable[Sample] = (), task: Task = "visible", frame_colour: str = "") -> Facts:
    """Gather what is known of a sample, and of the other samples of its picture."""
    own = {sample.sent, sample.category}
    others = dict.fromkeys(
        name
        for other in neighbours
        if not _same_object(sample, other)
        for name in (other.sent, other.category)
        if name and name not in own
    )
    return Facts(
        expression=sample.sent,
        category=sample.category,
        frame_colour=frame_colour,
        task=task,
        occluders=sample.occluders,
        hidden_sides=hidden_sides(sample.bbox, sample.amodal_bbox),
        others=tuple(others),
        visible_share=sample.visible_fraction,
    )


def hidden_sides(visible: Box | None, whole: Box | None) -> tuple[Side, ...]:
    """Name the sides on which a whole object goes beyond its visible part, the farthest first."""
    if visible is None or whole is None:
        return ()
    width, height = whole[2] - whole[0], whole[3] - whole[1]
    beyond: dict[Side, float] = {
        "left": (visible[0] - whole[0]) / width,
        "right": (whole[2] - visible[2]) / width,
        "top": (visible[1] - whole[1]) / height,
        "bottom": (whole[3] - visible[3]) / height,
    }
    return tuple(side for side in sorted(beyond, key=lambda one: -beyond[one]) if beyond[side] >= LEAST_EXTENSION)


def _same_object(sample: Sample, other: Sample) -> bool:
    """Tell whether two samples mean the same object: several expressions may."""
    if sample.annotation_id and other.annotation_id:
        return sample.annotation_id == other.annotation_id
    return (sample.bbox, sample.amodal_bbox) == (other.bbox, other.amodal_bbox)
