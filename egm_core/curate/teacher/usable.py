"""Whether a teacher's answer can be used at all: one that was made, and may be billed, need not be worth a text."""

from __future__ import annotations

import re
from dataclasses import replace

from egm_core.asking.job import Answer

# Answers that were made and are no good. The same question is not paid for again in a later run.
_MADE = re.compile(r"^(batch: )?(truncated|empty|broken|no chat answer):")


def checked(answer: Answer) -> Answer:
    """Make failures of answers that are none: cut off at the limit of tokens, empty, or with half a character.

    One that calls a tool in place of text is named as that.
    """
    if answer.finish == "length":
        return replace(answer, error="truncated: the answer was cut off at --max-tokens; allow more")
    if answer.calls and not answer.text.strip():
        told = f"empty: the answer has no text and calls a tool ({answer.calls}), though none was offered"
        return replace(answer, error=f"{told}; start the server without its parser of tools")
    if not answer.text.strip():
        return replace(answer, error="empty: the server gave an answer without text")
    if any("\ud800" <= letter <= "\udfff" for letter in answer.text):
        return replace(answer, error="broken: the answer has half a character, which no file can hold")
    return answer


def unusable(error: str) -> bool:
    """Tell whether an error is of an answer that was made: asking the same again would pay for it again."""
    return bool(_MADE.match(error))
