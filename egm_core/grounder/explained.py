"""Says what an answer tells: a warning as a sentence with what to do, and all of it as the keys of a status."""

from __future__ import annotations

from egm_core.grounder.grounding import Grounding
from egm_core.grounder.reading import LABEL
from egm_core.grounder.score_bound import RAW_BOUND
from egm_core.grounder.several.wanted import FIRST_OF_SEVERAL, SEVERAL_WANTED, TAKEN_AS_SEVERAL, UNTRAINED
from egm_core.models.domain import UNKNOWN, UNLIKE

_SENTENCES = {
    UNKNOWN: "the model never saw these words in training, so its answer means little; "
    "use words that it knows, or another model",
    UNLIKE: "the image is unlike those that the model was trained on, so its answer means little; use another model",
    LABEL: "the model named this in the place of what was asked for, so its box may be that one's; look at it",
    SEVERAL_WANTED: "these words ask for several objects, and max_objects is 1, so one is asked for; "
    "set max_objects to 0 for every match",
    TAKEN_AS_SEVERAL: "this looks like a plural, so every match is asked for; set max_objects to 1 for one object",
    UNTRAINED: "the model was trained to name one object, so objects are missed and boxes are wrong; "
    "ask a model that lists objects, such as Qwen3-VL",
    FIRST_OF_SEVERAL: "one object is asked for and the model named more, so its first box is the answer; "
    "set max_objects to 0 for all",
    "max_objects": "raise max_objects for more",
    "boxes_refused": "the model wrote boxes that cannot be read, so objects may be missing",
    "amodal_missing": "no amodal box of the answer fits them",
    RAW_BOUND: "the least score is held against a raw score, which is no probability; "
    "egm evaluate calibrate makes probabilities of a model's scores",
}


def explained(warning: str) -> str:
    """Give a warning with its sentence; one that has a sentence of its own stays as it is."""
    sentence = _SENTENCES.get(warning.partition(":")[0])
    return f"{warning} ({sentence})" if sentence else warning


def status_values(grounding: Grounding | None) -> dict[str, object]:
    """List what the status tells about an answer beyond its boxes."""
    if grounding is None:
        return {}
    available = grounding.score_available
    amodal = available and grounding.amodal is not None
    return {
        "objects": len(grounding.objects),
        "left_out": grounding.left_out,
        "score": grounding.score if available else "unavailable",
        "amodal_score": grounding.amodal_score if amodal else "unavailable",
        # Raw scores may all lie near 0.
        "raw_score": f"{grounding.raw_score:.4g}" if available else "unavailable",
        "raw_amodal_score": f"{grounding.raw_amodal_score:.4g}" if amodal else "unavailable",
        "calibrated": ", ".join(grounding.calibrated),
        "thought": grounding.thought,
        "amodal_thought": grounding.amodal_thought,
        "reasoning": grounding.reasoning,
        "amodal_reasoning": grounding.amodal_reasoning,
        "warnings": "; ".join(grounding.warnings),
        "repairs": ", ".join(grounding.repairs),
    }
