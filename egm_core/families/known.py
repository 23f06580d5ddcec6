"""Which family a model speaks, by the name under which it is published or served, or by its own config.json.

A name that is not known is an error, never a guess: a model that answers in another frame, such as Qwen2.5-VL in
pixels, would be read without a word, and wrongly.
"""

from __future__ import annotations

import re
from typing import Any

FAMILY_OF_TYPE = {
    "qwen3_vl": "qwen3_vl",
    "qwen3_vl_moe": "qwen3_vl",
    "qwen3_5": "qwen3_5",
    "qwen3_5_moe": "qwen3_5",
    "internvl": "internvl3",
    "internvl_chat": "internvl3",
}
FAMILY_OF_ARCHITECTURE = {
    "Qwen3VLForConditionalGeneration": "qwen3_vl",
    "Qwen3VLMoeForConditionalGeneration": "qwen3_vl",
    "Qwen3_5ForConditionalGeneration": "qwen3_5",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_5",
    "InternVLForConditionalGeneration": "internvl3",
    "InternVLChatModel": "internvl3",
}
# InternVL3 and InternVL3.5 are of one type, and differ in their language models.
TEXT_OF_INTERNVL3_5 = ("qwen3", "qwen3_moe", "gpt_oss")

# Asked in the same words and read in the same way: the second may be named for the first.
ALIKE = {"internvl3_5": "internvl3"}

# What follows a name may be a size, a kind, a precision or a tag: Qwen3-VL-8B-Thinking-FP8, qwen3-vl:8b. A model that
# embeds or ranks says no boxes.
_REST = r"(?!.*(?:embed|rerank))(?:$|[-_.:@ ].*|(?=[0-9]).*)"
# The first that matches: what is narrower comes first.
KNOWN = (
    (re.compile(rf"(?:.*[-_.])?qwen[-_ ]?3[-_ ]?vl{_REST}"), "qwen3_vl", "Qwen3-VL-*"),
    (re.compile(rf"(?:.*[-_.])?qwen[-_ ]?3[._]5(?![0-9])(?:[-_ ]?vl)?{_REST}"), "qwen3_5", "Qwen3.5-*"),
    (re.compile(r"egm[-_](?:tiny|[0-9]+b)(?:$|[-_.:@ ].*)"), "qwen3_vl", "EGM-*"),
    (re.compile(rf"(?:.*[-_.])?internvl[-_ ]?3[-._]5(?![0-9b]){_REST}"), "internvl3_5", "InternVL3.5-*"),
    (re.compile(rf"(?:.*[-_.])?internvl[-_ ]?3(?![0-9]){_REST}"), "internvl3", "InternVL3-*"),
)
FOREIGN = (
    (re.compile(r".*qwen[-_ ]?2(?:[._]?5)?[-_ ]?(?:vl|omni)"), "it answers in pixels of its own picture"),
    (re.compile(r".*gemini"), "it writes y before x"),
    (re.compile(r".*(?:gemma|paligemma|florence)"), "it answers in other words and tokens"),
)


def family_of_name(model: str) -> str:
    """Give the name of the family that a published or served model speaks; ValueError names the remedy."""
    known, foreign = _look_up(model)
    if known:
        return known
    *others, last = dict.fromkeys(family for _, family, _ in KNOWN)
    families = f"{', '.join(others)} or {last}"
    if foreign:
        raise ValueError(
            f"family: {model!r} speaks none of ours ({families}): {foreign}; serve {_names()}, or, if this one was "
            f"trained to answer as one of them does, set family to that"
        )
    raise ValueError(
        f"family: cannot be told from {model!r}, for only {_names()} are known; set it to {families}, if the model "
        "answers as that family does"
    )


def check_served(served: str, family: str) -> None:
    """Refuse a served model whose name says that it is not of a family; a name that tells nothing may be anything.

    ValueError names both, and the remedy.
    """
    known, foreign = _look_up(served)
    if foreign or not (known == "" or fits(known, family)):
        says = f"speaks {known}" if known else f"speaks none of ours ({foreign})"
        raise ValueError(
            f"the server has {served!r}, which {says}, and would be asked as {family}; name the model that it has, or "
            "serve the one that was named"
        )


def check_told(model: str, family: str) -> None:
    """Refuse a family that a user gave for a model whose known name says another one; ValueError names both.

    A model of a foreign family may have been trained to answer so.
    """
    known, _ = _look_up(model)
    if known and not fits(known, family):
        raise ValueError(
            f"family: {model!r} speaks {known}, and would be asked as {family}; leave family away, or serve the model "
            "under a name of your own if it was trained to answer so"
        )


def _look_up(model: str) -> tuple[str, str]:
    """Give the family of a known name, and why a foreign one speaks none."""
    name = model.strip().rstrip("/").rsplit("/", 1)[-1].lower()
    foreign = next((why for pattern, why in FOREIGN if pattern.match(name)), "")
    known = next((family for pattern, family, _ in KNOWN if pattern.fullmatch(name)), "")
    return ("" if foreign else known), foreign


def fits(known: str, told: str) -> bool:
    """Tell whether a model of a known family can be asked as one of the family that a user names."""
    return told in (known, ALIKE.get(known))


def family_of_config(config: dict[str, Any]) -> str:
    """Give the family of a model by its config.json, or an empty text."""
    named = config.get("architectures")
    kinds = [config.get("model_type"), *(named if isinstance(named, list) else [])]
    table = {**FAMILY_OF_TYPE, **FAMILY_OF_ARCHITECTURE}
    family = next((table[kind] for kind in kinds if isinstance(kind, str) and kind in table), "")
    if family == "internvl3":
        text = config.get("text_config") or config.get("llm_config")
        if isinstance(text, dict) and text.get("model_type") in TEXT_OF_INTERNVL3_5:
            return "internvl3_5"
    return family


def _names() -> str:
    return ", ".join(shown for _, _, shown in KNOWN)
