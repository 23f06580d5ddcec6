"""Under which terms a teacher's texts are: what its maker's licence says of training on them.

A table of September 2026, no legal advice: read the terms that hold for you before you train or publish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """A maker's terms; `forbids` where they forbid training models that compete, and None where nothing is known."""

    models: str
    words: str
    forbids: bool | None


TABLE = (
    Terms(r"gpt-oss", "Apache-2.0 (OpenAI gpt-oss)", False),
    Terms(r"^(gpt-|chatgpt|o[134]\b)", "OpenAI's terms: output must not train models that compete with OpenAI", True),
    Terms(r"^claude", "Anthropic's terms: output must not train models that compete with Anthropic", True),
    Terms(r"^gemini", "Google's Gemini API terms: output must not train models that compete with Google", True),
    Terms(r"^grok", "xAI's terms: output must not train models that compete with xAI", True),
    Terms(r"qwen2\.5-vl-(3b|72b)", "Qwen licence: models made with it must say: built with Qwen", None),
    Terms(r"qwen3\.?\d*-vl|qwen2\.5-vl", "Apache-2.0 (Qwen-VL)", False),
    Terms(r"internvl", "MIT or Apache-2.0 (InternVL), and the licence of its language model", False),
    Terms(r"glm", "MIT (GLM-V open weights); Zhipu's terms where it is asked as a service", None),
    Terms(r"gemma", "Gemma terms of use: they pass on to models that are trained on its output", None),
    Terms(r"llama", "Llama community licence: models that are trained on its output carry Llama in their name", None),
    Terms(r"pixtral-12b|mistral-small", "Apache-2.0 (Mistral open weights)", False),
)  # fmt: skip
UNKNOWN = Terms("", "terms unknown", None)


def terms_of(model: str) -> Terms:
    """Give what is known of a model's terms by its name."""
    name = model.strip().rsplit("/", 1)[-1].lower()
    return next((terms for terms in TABLE if re.search(terms.models, name)), UNKNOWN)


def warning(model: str, told: str) -> str:
    """Say what a user must know of a teacher's terms before the first question; empty where there is nothing."""
    if told:
        return ""
    terms = terms_of(model)
    if terms is UNKNOWN:
        return (
            f"the terms of the texts of {model} are not known here: find out, for some forbid training on them, "
            "and give them with --terms for every record"
        )
    if terms.forbids:
        return f"{terms.words}: read those that hold for you before you train; --terms changes the records' words"
    return ""
