"""Answering sample files by a rule instead of a model, in the form of a model's result."""

from __future__ import annotations

from typing import Any

from egm_core.boxes import Box
from egm_core.evaluate.samples.baselines import RULES, baselines
from egm_core.evaluate.samples.growth import Growth
from egm_core.evaluate.samples.questions import Asked, Question
from egm_core.evaluate.samples.rows import Scored
from egm_core.evaluate.scores import fit


def answers(asked: Asked, rule: str, growth: Growth | None) -> list[Scored]:
    """Answer the questions whose object is there; a rule says of none that it is absent."""
    boxes = baselines(asked.questions, growth)[RULES[rule]]
    return [row(question, boxes.get(question.name)) for question in asked.questions]


def row(question: Question, box: Box | None) -> Scored:
    """Score a rule's box; without one the rule says nothing, and not that the object is absent."""
    why = "" if box else "the rule has no box: nothing is seen, or the object is absent"
    return Scored(question, "found" if box else "malformed", why, box, fit(box, question.truth))


def about(rule: str, machine: str) -> dict[str, Any]:
    """Say what answered, in the fields of a model's result."""
    return {
        "model": RULES[rule],
        "version": "",
        "family": "",
        "frame": "pixels",
        "engine": "by rule",
        "weights_sha256": None,
        "max_pixels": None,
        "asked": "by a rule that knows the true visible box",
        "concurrency": 1,
        "machine": machine,
        "prompt": "",
        "mode": "rule",
        "reasoning": False,
        "requests": 0,
        "tokens_spent": 0,
    }
