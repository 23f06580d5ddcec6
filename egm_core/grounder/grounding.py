"""What became of one instruction in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from egm_core.boxes import Box
from egm_core.families import Task

Outcome = Literal["found", "absent", "error"]
Thought = Literal["yes", "no", "late", ""]


@dataclass(frozen=True)
class Found:
    """One object that an instruction means: its visible box, its amodal one where there is one, and their scores.

    The fields mean what those of the same names mean in `Grounding`; `label` is what the model calls the object.
    """

    visible: Box
    amodal: Box | None = None
    score: float = 0.0
    amodal_score: float = 0.0
    score_available: bool = False
    raw_score: float = 0.0
    raw_amodal_score: float = 0.0
    calibrated: tuple[Task, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Grounding:
    """What became of one instruction in one picture.

    `visible`, `amodal` and the scores are those of the first object, `label` is what the model calls it, `further` are
    the others, and `objects` lists all of them; `left_out` counts those that were over the limit.
    Boxes are pixels of the given picture. `reason` names what went wrong where `outcome` is "error", or why a box was
    taken back where it is "absent", and `detail` says it in words. `score` in [0, 1] is 0 where the engine gives no
    probabilities, and `score_available` says so; for the `calibrated` tasks it is the probability that the box is
    right, and otherwise the raw score, see `token_score`. `warnings` doubt the question or its answer, `repairs` list
    what was mended: "amodal_union", "amodal_disagrees", "amodal_as_visible" (the visible answer after thinking took the
    place of a first amodal one, which showed another object), and "salvaged: ..." with by what an answer broke its
    format.
    Times are milliseconds: the engine's, and all.

    `thought` says of the visible answer, `amodal_thought` of the amodal one, whether the model was free to think
    first: "yes", "no", or "late" for a first box where a thought was wanted that did not end by the deadline; empty
    where there is no answer. `missed`: the deadline had passed when the answer was there.
    """

    outcome: Outcome
    reason: str = ""
    detail: str = ""
    visible: Box | None = None
    amodal: Box | None = None
    reasoning: str = ""
    amodal_reasoning: str = ""
    score: float = 0.0
    amodal_score: float = 0.0
    score_available: bool = False
    raw_score: float = 0.0
    raw_amodal_score: float = 0.0
    calibrated: tuple[Task, ...] = ()
    warnings: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    boxes_seen: int = 0
    raw_visible: str = ""
    raw_amodal: str | None = None
    thought: Thought = ""
    amodal_thought: Thought = ""
    missed: bool = False
    engine_ms: float = 0.0
    total_ms: float = 0.0
    label: str = ""
    further: tuple[Found, ...] = ()
    left_out: int = 0

    @property
    def objects(self) -> tuple[Found, ...]:
        """All objects that were found, the first one first; none where nothing was found or all was taken back."""
        if self.visible is None:
            return ()
        return (Found(self.visible, **{name: getattr(self, name) for name in _OF_AN_OBJECT}), *self.further)

    def holding(self, objects: Sequence[Found]) -> Grounding:
        """Give this answer with these objects in the place of its own, with their scores; none leaves no box."""
        if not objects:
            return replace(self, visible=None, amodal=None, further=())
        first, *further = objects
        values = {name: getattr(first, name) for name in ("visible", *_OF_AN_OBJECT)}
        return replace(self, **values, further=tuple(further))

    def to_json(self) -> dict[str, Any]:
        """Give all fields as JSON values, and `objects`, which has the first object too, in the place of `further`."""
        values = asdict(self)
        del values["further"]
        return {**values, "objects": [asdict(found) for found in self.objects]}


_OF_AN_OBJECT = tuple(each.name for each in fields(Found) if each.name != "visible")
