"""Reads what an engine completed: strictly, then as salvage, and says what is wrong in words that name a remedy."""

from __future__ import annotations

import re
from dataclasses import replace

from egm_core.engines.base import Completion
from egm_core.families import Answer, Family
from egm_core.families.parts import THINK_CLOSE
from egm_core.families.thinking import Opening

EXPLANATIONS = {
    "no_answer": "the model answered nothing",
    "truncated": "the answer was cut off at the limit of tokens; raise max_tokens in the model's egm.json, or turn"
    " reasoning off",
    "unfinished": "the model stopped in the middle of its answer",
    "no_box": "the answer holds no box, and does not say that there is none",
    "malformed": "the answer is not in the family's format; is `family` right for this model?",
    "ambiguous": "the answer names boxes that differ, or may be a reasoning that never ended; nothing is guessed",
    "not_four_numbers": "the box has not four numbers",
    "not_finite": "the box has a number that is not finite",
    "out_of_range": "the box lies outside 0..1000; a model that answers in pixels, as Qwen2.5-VL does, is of no family"
    " that is spoken here",
    "fractions": "the box is written in shares of the picture (0 to 1, or per cent), which no family spoken here does",
    "degenerate": "the box has no area",
}

# Marks that take no room, and turn the direction of writing.
_HIDDEN = r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
_UNSEEN = re.compile(rf"^{_HIDDEN}|{_HIDDEN}$")
# What every tokenizer's own markers begin with: <|im_end|>, <IMG_CONTEXT>, </img>.
_MARKUP = re.compile(r"<(?=[|/!A-Za-z])")
LABEL = "label_differs"
_FILLER = frozenset(("a", "an", "the", "of", "in", "on", "at", "to", "with", "object", "item", "target"))


def read(speaker: Family, completion: Completion, opening: Opening | None = None, sent: str = "") -> Answer:
    """Read a completion; `opening` tells where the chat template left off, `sent` what was asked. Never raises.

    What the limit cut off is `truncated` and not searched for a box, and only that is called so: an engine that says
    that the model stopped by itself is believed.
    """
    text, cut = completion.text, completion.finish == "length"
    answer = speaker.parse(text, sent=sent)
    if answer.kind != "invalid" and cut and thought_may_go_on(speaker, text, opening):
        return Answer("invalid", reasoning=answer.reasoning, reason="truncated", boxes_seen=answer.boxes_seen)
    if answer.kind != "invalid":
        return answer
    if cut:
        return replace(answer, reason="truncated")
    answer = speaker.parse(text, "salvage", opening, sent)
    return replace(answer, reason="unfinished") if answer.reason == "truncated" else answer


def thought_may_go_on(speaker: Family, text: str, opening: Opening | None) -> bool:
    """Tell whether what looks like an answer may stand inside a reasoning that was never closed."""
    return speaker.may_begin_inside(opening) and THINK_CLOSE not in text


def salvaged_as(answer: Answer) -> tuple[str, ...]:
    """Name as a repair by what a salvaged answer broke the format; empty for one that kept to it."""
    return (f"salvaged: {'+'.join(answer.salvaged)}",) if answer.salvaged else ()


def label_doubt(label: str, sent: str) -> tuple[str, ...]:
    """Warn where the model's label has words that were not asked for; fewer words, and none, are fine."""
    asked, named = _words(sent), _words(label)
    if not named - asked or label.strip().lower() in sent.lower():
        return ()
    return (f"{LABEL}: {label.strip()}",)


def _words(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    return {word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _FILLER}


def set_apart(sent: str) -> str:
    """Write an expression so that no tokenizer finds a marker of its own in it, however they nest."""
    return _MARKUP.sub("< ", sent)


def markup_doubt(instruction: str) -> tuple[str, ...]:
    """Warn where an instruction is not asked letter by letter."""
    if not _MARKUP.search(instruction):
        return ()
    return ("instruction_markup: each '<' was set apart, so that nothing is read as a marker of the model's own",)


def worded(instruction: str) -> str:
    """Give an instruction as it is sent, on one line and without the full stop at its end; empty where no word is.

    Marks at its ends that nobody sees, such as a file's byte order mark, are no part of it.
    """
    return _UNSEEN.sub("", re.sub(r"\s+", " ", instruction)).rstrip(".!").rstrip()
