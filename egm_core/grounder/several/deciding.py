"""Reduces the answers that list objects to one outcome: pairs of boxes, and by count what was mended or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from egm_core.boxes import Box, contains, iou, union
from egm_core.engines.base import Completion
from egm_core.families import Answer, Reason, Task
from egm_core.grounder.decision import Reply, decide, in_pixels
from egm_core.grounder.grounding import Found, Grounding
from egm_core.grounder.reading import EXPLANATIONS, label_doubt, salvaged_as
from egm_core.grounder.scoring import token_score
from egm_core.grounder.several.pairing import DUPLICATE, paired, unique
from egm_core.grounder.several.reading import CUT
from egm_core.grounder.several.wanted import FIRST_OF_SEVERAL, MOST, Question
from egm_core.models.folder import ModelInfo

UNTRAINED_CUT = (
    "the answer was cut off at the limit of tokens, for the model was trained to name one object and was asked for"
    " several; set max_objects to 1, or ask a model that lists objects, such as Qwen3-VL"
)


@dataclass(frozen=True)
class Seen:
    """A box of a list, in pixels, with its raw score and its label."""

    box: Box
    score: float
    available: bool
    label: str


def decide_several(
    visible: Reply, amodal: Reply | None, infos: Mapping[Task, ModelInfo], size: tuple[int, int]
) -> Grounding:
    """Reduce replies that list objects to one outcome; `size` is (width, height). The visible answer decides.

    Scores are raw: what they mean was measured on answers about one object.
    """
    answer, completion = visible.answer, visible.completion
    failed = visible.error is not None or answer is None or completion is None
    if failed or answer is None or completion is None or not any(each.box for each in answer.listed):
        # No list to speak of: absent, unreadable, or no answer, as for one object.
        found = decide(visible, amodal, dict(infos), size, {})
        cut = found.reason == "truncated"
        return replace(found, detail=_why("truncated", infos["visible"])) if cut else found
    boxes, told = _boxes(answer, completion, infos["visible"], size)
    found = Grounding(
        "found",
        reasoning=answer.reasoning,
        boxes_seen=answer.boxes_seen,
        raw_visible=completion.text,
        raw_amodal=amodal.completion.text if amodal and amodal.completion else None,
        amodal_reasoning=amodal.answer.reasoning if amodal and amodal.answer else "",
        warnings=told,
        repairs=salvaged_as(answer),
    )
    if not boxes:
        return replace(found, outcome="error", reason="no_overlap", detail="every box lies outside the image")
    kept = [boxes[place] for place in unique([seen.box for seen in boxes])]
    if len(kept) < len(boxes):
        found = replace(found, repairs=(*found.repairs, f"duplicates: {len(boxes) - len(kept)}"))
    objects = [Found(each.box, None, each.score, 0.0, each.available, each.score, label=each.label) for each in kept]
    if amodal is None:
        return found.holding(objects)
    if amodal.error is not None or amodal.answer is None or amodal.completion is None:
        error = amodal.error or "engine_failed: no answer"
        return replace(found, warnings=(*found.warnings, f"amodal_failed: {error}")).holding(objects)
    return _with_amodal(found, objects, amodal.answer, amodal.completion, infos["amodal"], size)


def _why(reason: Reason, info: ModelInfo) -> str:
    """Say what is wrong with an answer that should list objects, and what helps."""
    # What is trained here learns to name one object, and knows no end of several: more tokens hold more of the same.
    return UNTRAINED_CUT if reason == "truncated" and info.domain_path else EXPLANATIONS[reason]


def limited(found: Grounding, most: int) -> Grounding:
    """Keep the first `most` objects (0: every one, up to MOST), and say how many were left out."""
    bound = most or MOST
    over = len(found.objects) - bound
    if over <= 0:
        return found
    told = f"max_objects: {over} of {len(found.objects)} objects left out"
    return replace(found.holding(found.objects[:bound]), left_out=over, warnings=(*found.warnings, told))


def doubts_of(found: Grounding, answer: Answer | None, asked: Question) -> tuple[str, ...]:
    """Warn of labels that were not asked for, and of boxes that the model named where one object was asked for."""
    labels = [each.label for each in found.objects] if asked.several else [answer.label if answer else ""]
    doubts = list(dict.fromkeys(doubt for label in labels for doubt in label_doubt(label, asked.words)))
    if not asked.several and found.outcome == "found" and found.boxes_seen > 1:
        doubts.append(f"{FIRST_OF_SEVERAL}: {found.boxes_seen} boxes")
    return tuple(doubts)


def _boxes(
    answer: Answer, completion: Completion, info: ModelInfo, size: tuple[int, int]
) -> tuple[list[Seen], tuple[str, ...]]:
    """Give the boxes that an answer lists and that can be used, and say how many cannot, and why."""
    boxes: list[Seen] = []
    refused: list[str] = []
    for each in answer.listed:
        box = in_pixels(replace(answer, box=each.box), info, size)
        if box is None:
            refused.append(each.reason or "no_overlap")
            continue
        score, available = token_score(completion, replace(answer, span=each.span))
        boxes.append(Seen(box, score, available, each.label))
    told = [f"list_cut: {_why('truncated', info)}"] if CUT in answer.salvaged else []
    if len(boxes) > MOST:
        told.append(f"long_list: {len(boxes) - MOST} of {len(boxes)} boxes left out, no list is read further")
    if refused:
        told.append(f"boxes_refused: {len(refused)} of {len(answer.listed)}: {', '.join(dict.fromkeys(refused))}")
    return boxes[:MOST], tuple(told)


def _with_amodal(
    found: Grounding,
    objects: list[Found],
    answer: Answer,
    completion: Completion,
    info: ModelInfo,
    size: tuple[int, int],
) -> Grounding:
    if answer.kind == "invalid" and not answer.listed:
        told = f"amodal_failed: {answer.reason}, {_why(answer.reason, info)}"
        return replace(found, warnings=(*found.warnings, told)).holding(objects)
    wholes, told_of_boxes = _boxes(answer, completion, info, size)
    pairs = paired([each.visible for each in objects], [each.box for each in wholes])
    joined, mended = [], 0
    for each, place in zip(objects, pairs.of, strict=True):
        if place is None:
            joined.append(each)
            continue
        whole = wholes[place]
        mended += not contains(whole.box, each.visible)
        box = whole.box if contains(whole.box, each.visible) else union(whole.box, each.visible)
        joined.append(replace(each, amodal=box, amodal_score=whole.score, raw_amodal_score=whole.score))
    used = [wholes[place].box for place in pairs.of if place is not None]
    twice = sum(any(iou(wholes[place].box, other) >= DUPLICATE for other in used) for place in pairs.unpaired)
    repairs = [
        (mended, f"amodal_union: {mended} of {len(used)} pairs"),
        (twice, f"amodal_duplicates: {twice}"),
        (
            len(pairs.unpaired) - twice,
            f"amodal_disagrees: {len(pairs.unpaired) - twice} of {len(wholes)} fit no object",
        ),
    ]
    lacking = len(objects) - len(used)
    warnings = [f"amodal_{told}" for told in told_of_boxes]
    if lacking:
        warnings.append(f"amodal_missing: {lacking} of {len(objects)} objects have no amodal box")
    return replace(
        found,
        repairs=(*found.repairs, *(told for count, told in repairs if count)),
        warnings=(*found.warnings, *warnings),
    ).holding(joined)
