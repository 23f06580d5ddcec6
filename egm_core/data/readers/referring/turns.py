"""Reads what a turn of a grounding conversation asks and answers: the expression, its boxes, and the reasoning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from egm_core.boxes import Box

_REF = re.compile(r"<ref>(.*?)</ref>|<\|object_ref_start\|>(.*?)<\|object_ref_end\|>", re.DOTALL)
_LOCATE = re.compile(r"Locate (.+?)( amodally)?, output its bbox coordinates using JSON format", re.DOTALL)
_DESCRIPTION = re.compile(r'matches the description "(.+?)" in the image', re.DOTALL)
_BOX = re.compile(r"<box>(.*?)</box>|<\|box_start\|>(.*?)<\|box_end\|>", re.DOTALL)
_JSON = re.compile(r'"(?:bbox|box)_2d"\s*:\s*(\[[^\]]*\])')
_NUMBER = r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*"
_PAIR = rf"{_NUMBER},{_NUMBER}"
_CORNERS = re.compile(rf"\[{_PAIR},{_PAIR}\]|\({_PAIR}\)\s*,\s*\({_PAIR}\)")
_THINKS = re.compile(r"^\s*(?:<think>)?(.*?)</think>", re.DOTALL)
_AMODAL = re.compile(r"\bamodal", re.IGNORECASE)


@dataclass(frozen=True)
class Turn:
    """A question with its answer: the expression (empty: it asks for no box), the boxes, the text before the answer."""

    sent: str
    boxes: tuple[Box, ...]
    reasoning: str = ""
    amodal: bool = False


def read_turn(question: str, answer: str) -> Turn:
    """Read a question in the words of InternVL, Qwen or the paper, and its answer; boxes are as they are written."""
    thought = _THINKS.match(answer)
    said = answer[thought.end() :] if thought else answer
    return Turn(_asked(question), _boxes(said), thought[1].strip() if thought else "", _is_amodal(question))


def _asked(question: str) -> str:
    for form in (_REF, _LOCATE, _DESCRIPTION):
        found = form.findall(question)
        if len(found) == 1:
            groups = found[0] if isinstance(found[0], tuple) else (found[0],)
            sent = (groups[0] or groups[-1]) if form is _REF else groups[0]
            return " ".join(sent.split())
    return ""


def _is_amodal(question: str) -> bool:
    found = _LOCATE.search(question)
    return bool(found[2]) if found else _AMODAL.search(_REF.sub("", question)) is not None


def _boxes(answer: str) -> tuple[Box, ...]:
    parts = ["".join(found) for found in _BOX.findall(answer)] or _JSON.findall(answer) or [answer]
    found = (next(filter(any, (groups[:4], groups[4:]))) for part in parts for groups in _CORNERS.findall(part))
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in found)
