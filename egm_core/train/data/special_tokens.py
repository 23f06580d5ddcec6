"""The texts that a model's tokenizer takes for tokens of its own: in a sample they stand for pictures, turns or ends.

An expression with an image token asks for a second picture, and one with an end of turn cuts the prompt in two.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

TURNS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>")
# What the families' published tokenizers have, for a model that is not on this machine.
QWEN = (*TURNS, "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>")
INTERNVL = (*TURNS, "<IMG_CONTEXT>", "<img>", "</img>", "<ref>", "</ref>", "<box>", "</box>")
PUBLISHED = {"qwen3_vl": QWEN, "qwen3_5": QWEN, "internvl3": INTERNVL, "internvl3_5": INTERNVL}
_TAG = re.compile(r"[^\w\s].*\w.*[^\w\s]", re.DOTALL)


def special_tokens(family: str, model: Path | None) -> frozenset[str]:
    """Give the special tokens of a model folder's tokenizer, with those that its family's models have."""
    known = frozenset(PUBLISHED.get(family, TURNS))
    if model is None:
        return known
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    own = (*tokenizer.get_added_vocab(), *tokenizer.all_special_tokens)
    # An added word without brackets is a word, and may stand in a text.
    return known | {token for token in own if _TAG.fullmatch(token)}


def finder(tokens: Collection[str]) -> re.Pattern[str]:
    """Give a pattern that finds any of some tokens in a text, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or r"(?!)")
