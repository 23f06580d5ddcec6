"""Reads an answer that lists objects; one that the limit of tokens cut off is read up to its last whole object."""

from __future__ import annotations

from dataclasses import replace

from egm_core.engines.base import Completion
from egm_core.families import Answer, Family
from egm_core.families.thinking import Opening
from egm_core.grounder.reading import read, thought_may_go_on

CUT = "cut"


def read_several(speaker: Family, completion: Completion, opening: Opening | None = None, sent: str = "") -> Answer:
    """Read a completion that lists objects, see `reading.read`; `salvaged` has "cut" where there may be more of them.

    No number is completed: an object that was not whole is no object.
    """
    answer = read(speaker, completion, opening, sent)
    if completion.finish != "length" or thought_may_go_on(speaker, completion.text, opening):
        return answer
    if answer.kind == "invalid":
        shorter = speaker.cut_back(completion.text)
        kept = speaker.parse(shorter, sent=sent) if shorter is not None else answer
        if not any(each.box is not None for each in kept.listed):
            return answer
        answer = kept
    return replace(answer, salvaged=(*answer.salvaged, CUT)) if answer.kind == "box" else answer
