"""The same questions answered twice by one model: without thinking, and with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.evaluate.results import Answered, check_reasoning, check_same_queries, read
from egm_core.grounder.gate import features
from egm_core.grounder.together import Said

Floats = NDArray[np.float64]
_KINDS = {"found": "box", "absent": "absent"}


@dataclass(frozen=True)
class Pairs:
    """Questions with both answers, as arrays of one entry each.

    `first` and `thought` are 1 for a right answer; `tokens` are those of the reasoning. `scenes` names what belongs
    together, `ms_first` and `ms_thought` are the milliseconds of each answer: measured, or the mean shared out by the
    answers' tokens. `seen` describes the question and the first answer to it, `about` how the thoughts were made.
    `answers` and `thoughts` are both answers as they were stored, and `says` what they say.
    """

    first: Floats
    thought: Floats
    tokens: Floats
    scenes: NDArray[np.int64]
    seen: tuple[Mapping[str, float], ...]
    ms_first: Floats
    ms_thought: Floats
    about: Mapping[str, Any]
    answers: tuple[Answered, ...]
    thoughts: tuple[Answered, ...]
    says: tuple[tuple[Said, Said], ...]

    def __len__(self) -> int:
        """Count the questions."""
        return len(self.first)

    @property
    def gain(self) -> Floats:
        """What thinking changes: 1 where it mends, -1 where it spoils."""
        return self.thought - self.first


def paired(direct: Path, thinking: Path) -> Pairs:
    """Read two results of `scenes --json`, the first made with --no-reasoning; ValueError where they do not pair."""
    first, second = read(direct.stem, direct), read(thinking.stem, thinking)
    check_reasoning([second], [first])
    for what in ("model", "weights_sha256", "engine"):
        if first.about.get(what) != second.about.get(what):
            raise ValueError(f"{direct} and {thinking} have another {what}: evaluate one model both ways")
    check_same_queries([first, second])
    answers = [second.by_key[a.key] for a in first.answers]
    if any(a.thinking is None for a in answers):
        raise ValueError(f"{thinking} does not tell the tokens of reasoning: evaluate with an engine that gives tokens")
    return Pairs(
        np.array([a.correct for a in first.answers], np.float64),
        np.array([a.correct for a in answers], np.float64),
        np.array([a.thinking for a in answers], np.float64),
        np.array([a.seed for a in answers], np.int64),
        tuple(seen(a, direct) for a in first.answers),
        _ms(first.about, first.answers),
        _ms(second.about, answers),
        second.about,
        first.answers,
        tuple(answers),
        tuple((said(a, direct), said(b, thinking)) for a, b in zip(first.answers, answers, strict=True)),
    )


def seen(answer: Answered, file: Path) -> Mapping[str, float]:
    """Describe a question and the answer to it as the grounder does at the gate."""
    says = said(answer, file)
    edges = answer.row.get("edges")
    known = (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])) if edges else None
    opening = answer.row.get("opening")
    sure = None if opening is None else float(opening)
    return features(answer.task, answer.text, says.outcome, says.box, answer.score, known, sure)


def said(answer: Answered, file: Path) -> Said:
    """Give what an answer says, its box in shares of the picture."""
    box = answer.box
    if box is not None:
        width, height = answer.row.get("width"), answer.row.get("height")
        if not width or not height:
            raise ValueError(f"{file} does not tell the size of its pictures: evaluate the model again")
        box = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    return Said(_KINDS.get(answer.outcome, "invalid"), box)


def _ms(about: Mapping[str, Any], answers: Sequence[Answered]) -> Floats:
    """Give the milliseconds of each answer; NaN where the result does not tell."""
    timed = [a.seconds for a in answers if a.seconds is not None]
    if len(timed) == len(answers):
        return 1000 * np.array(timed, np.float64)
    tokens = np.array([a.row.get("tokens") or 1.0 for a in answers], np.float64)
    return np.asarray(float(about.get("ms_per_query") or "nan") * tokens / tokens.mean(), np.float64)
