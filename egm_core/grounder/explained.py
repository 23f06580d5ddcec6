"""Says in a sentence what a warning of an answer means, and what to do; programs go by its first word."""

from __future__ import annotations

from egm_core.grounder.reading import LABEL
from egm_core.grounder.score_bound import RAW_BOUND
from egm_core.models.domain import UNKNOWN, UNLIKE

_SENTENCES = {
    UNKNOWN: "the model never saw these words in training, so its answer means little; "
    "use words that it knows, or another model",
    UNLIKE: "the image is unlike those that the model was trained on, so its answer means little; use another model",
    LABEL: "the model named this in the place of what was asked for, so its box may be that one's; look at it",
    RAW_BOUND: "the least score is held against a raw score, which is no probability; "
    "egm evaluate calibrate makes probabilities of a model's scores",
}


def explained(warning: str) -> str:
    """Give a warning with its sentence; one that has a sentence of its own stays as it is."""
    sentence = _SENTENCES.get(warning.partition(":")[0])
    return f"{warning} ({sentence})" if sentence else warning
