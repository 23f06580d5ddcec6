"""Reduces what came of a picture's queries to one outcome: boxes in pixels, their scores, repairs and doubts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from egm_core.boxes import Box, area, as_box, clip, contains, intersection, to_pixels, union
from egm_core.engines.base import Completion, EngineError
from egm_core.families import Answer, Task
from egm_core.grounder.grounding import Grounding, Thought
from egm_core.grounder.reading import EXPLANATIONS, salvaged_as
from egm_core.grounder.scoring import token_score
from egm_core.models import calibration
from egm_core.models.folder import ModelInfo

Curves = Mapping[Task, calibration.Curve]
Replies = dict[Task, "Reply"]
OUT_OF_DOMAIN = "out_of_domain"


@dataclass(frozen=True)
class Reply:
    """One query's answer: parsed, or the error in its place. `thinking`: the model was free to think first.

    `carried`: it is the visible answer, in the place of the amodal one.
    """

    completion: Completion | None
    answer: Answer | None
    error: EngineError | None = None
    thinking: bool = True
    carried: bool = False

    @property
    def trouble(self) -> str:
        """What is wrong with it; empty where it says something: a box, or that there is none."""
        if self.error is not None or self.answer is None:
            return str(self.error or "engine_failed: the engine gave no answer")
        return self.answer.reason if self.answer.kind == "invalid" else ""

    @property
    def thought(self) -> Thought:
        """Whether the model was free to think first, or did so although it was forbidden; empty without an answer."""
        if self.error is not None or self.answer is None:
            return ""
        return "yes" if self.thinking or self.thought_all_the_same else "no"

    @property
    def thought_all_the_same(self) -> bool:
        """Whether the model thought although it was forbidden."""
        return not self.thinking and self.answer is not None and bool(self.answer.reasoning.strip())


def decide(
    visible: Reply,
    amodal: Reply | None,
    infos: dict[Task, ModelInfo],
    size: tuple[int, int],
    curves: Curves,
) -> Grounding:
    """Reduce the replies to one outcome; `size` is (width, height). The visible answer decides."""
    if visible.error is not None or visible.answer is None or visible.completion is None:
        error = visible.error or EngineError("engine_failed", "the engine gave no answer")
        return Grounding("error", error.reason, error.detail)
    answer = visible.answer
    found = Grounding(
        "absent",
        reasoning=answer.reasoning,
        boxes_seen=answer.boxes_seen,
        raw_visible=visible.completion.text,
        raw_amodal=amodal.completion.text if amodal and amodal.completion else None,
        amodal_reasoning=amodal.answer.reasoning if amodal and amodal.answer else "",
    )
    if answer.kind == "invalid":
        return replace(found, outcome="error", reason=answer.reason, detail=EXPLANATIONS[answer.reason])
    found = replace(found, repairs=salvaged_as(answer))
    if answer.kind == "box":
        box = in_pixels(answer, infos["visible"], size)
        if box is None:
            return replace(found, outcome="error", reason="no_overlap", detail="the box lies outside the image")
        raw, available = token_score(visible.completion, answer)
        score, calibrated = _meant(raw, available, None if answer.salvaged else curves.get("visible"))
        found = replace(found, outcome="found", visible=box, score=score, raw_score=raw, score_available=available)
        found = replace(found, calibrated=("visible",) if calibrated else (), label=answer.label)
    return _with_amodal(found, amodal, infos["amodal"], size, curves.get("amodal")) if amodal is not None else found


def inside(found: Grounding, doubts: Mapping[Task, tuple[str, ...]]) -> Grounding:
    """Take back what a model says of pictures and words that it was not trained for."""
    if found.outcome != "error" and doubts.get("visible"):
        detail = f"the question is foreign to the model ({'; '.join(doubts['visible'])})"
        found = replace(found.holding(()), outcome="absent", reason=OUT_OF_DOMAIN, detail=detail)
        return replace(found, score=0.0, amodal_score=0.0, score_available=False)
    if not doubts.get("amodal"):
        return found
    return found.holding([replace(each, amodal=None) for each in found.objects])


def _meant(raw: float, available: bool, curve: calibration.Curve | None) -> tuple[float, bool]:
    """Give the score to publish for a raw one, and whether it is a probability."""
    return (curve(raw), True) if available and curve is not None else (raw, False)


def _with_amodal(
    found: Grounding, amodal: Reply, info: ModelInfo, size: tuple[int, int], curve: calibration.Curve | None
) -> Grounding:
    if amodal.error is not None or amodal.answer is None or amodal.completion is None:
        error = amodal.error or EngineError("engine_failed", "no answer")
        return replace(found, warnings=(*found.warnings, f"amodal_failed: {error}"))
    found = replace(found, repairs=(*found.repairs, *(f"amodal_{told}" for told in salvaged_as(amodal.answer))))
    if amodal.carried:
        found = replace(found, repairs=(*found.repairs, "amodal_as_visible"))
    box = in_pixels(amodal.answer, info, size) if amodal.answer.kind == "box" else None
    if found.visible is None or box is None or intersection(found.visible, box) <= 0:
        agree = found.visible is None and amodal.answer.kind == "absent"
        return found if agree else replace(found, repairs=(*found.repairs, "amodal_disagrees"))
    raw, available = token_score(amodal.completion, amodal.answer)
    score, calibrated = _meant(raw, available, None if amodal.answer.salvaged else curve)
    if not contains(box, found.visible):
        box = union(box, found.visible)
        found = replace(found, repairs=(*found.repairs, "amodal_union"))
    tasks: tuple[Task, ...] = (*found.calibrated, "amodal") if calibrated else found.calibrated
    return replace(found, amodal=box, amodal_score=score, raw_amodal_score=raw, calibrated=tasks)


def in_pixels(answer: Answer, info: ModelInfo, size: tuple[int, int]) -> Box | None:
    """Turn an answer's box into pixels of a picture of (width, height); None where nothing of it lies inside."""
    if answer.box is None:
        return None
    box = clip(as_box(to_pixels(answer.box, *size, info.frame)), *size)
    return box if area(box) > 0 else None


def better(task: Task, first: Reply, thought: Reply, before: Curves, after: Curves) -> Reply:
    """Choose between a task's first reply and the one after thinking: the thought, where it says anything."""
    return thought if first.trouble or not thought.trouble else first
