"""What a teacher is asked: a text with a version for each task, and the form that its answer must have."""

from egm_core.curate.prompts.answers import (
    AmodalReasoning,
    Expression,
    Judgement,
    Malformed,
    Placement,
    Reasoning,
    Structured,
    Verification,
    parsed,
)
from egm_core.curate.prompts.prompt import NAMES, Prompt, load

__all__ = [
    "NAMES",
    "AmodalReasoning",
    "Expression",
    "Judgement",
    "Malformed",
    "Placement",
    "Prompt",
    "Reasoning",
    "Structured",
    "Verification",
    "load",
    "parsed",
]
