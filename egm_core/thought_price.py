"""What thinking costs: the tokens of an answer's reasoning, and their price, taken off what the answer earned.

The paper's reward has no price. With one, a model learns to think where that is worth its tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from egm_core.families import Family
from egm_core.families.parts import THINK_OPEN
from egm_core.families.thinking import thought_length

TOKENIZER = "tokenizer.json"


def priced(earned: Sequence[float], thoughts: Sequence[int], price: float) -> list[float]:
    """Take the price of each token of reasoning off what N answers earned; what is left may be below 0.

    ValueError for a price that is negative or no number, or for lists of different lengths.
    """
    if not (math.isfinite(price) and price >= 0):
        raise ValueError(f"token_price is {price}; give what a token of reasoning costs, 0 or more")
    return [float(one) - price * count for one, count in zip(earned, thoughts, strict=True)]


def reasoned(speaker: Family, answer: Any, tokens: Iterable[str], direct: bool = False) -> int:
    """Count the tokens that an answer spent on reasoning; all of them where it never came to an end.

    `direct` says that an empty thought was written before the answer, so that it begins outside of one.
    """
    said = list(tokens)
    length = thought_length(said)
    if length is not None:
        return length
    text = answer_text(answer)
    thinks = THINK_OPEN in text or (speaker.begins_inside_reasoning and not direct)
    return len(said) if thinks and speaker.parse(text).kind == "invalid" else 0


def spelt(folder: Path, text: str) -> list[str]:
    """Cut a text into the tokens of a model folder's tokenizer, for engines that tell an answer's text alone."""
    return [text[start:end] for start, end in _tokenizer(folder).encode(text, add_special_tokens=False).offsets]


@cache
def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / TOKENIZER))


def answer_text(answer: Any) -> str:
    """Give the text of an answer: a string, a message, or a conversation's last message; "" for anything else."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Mapping):
        return answer_text(answer.get("content", answer.get("text")))
    if isinstance(answer, (list, tuple)) and answer:
        parts = [part for part in answer if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(answer_text(part.get("text")) for part in parts) if parts else answer_text(answer[-1])
    return ""
