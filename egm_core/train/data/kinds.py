"""What can be wrong with a run's data without any record being broken: a table of kinds, each with its bound.

`share` is how much of the data may be of a kind (of the records, or of a task's questions) before a run is refused;
`tolerate.<kind>` in a run's settings replaces it. A bound of 1 only counts and says.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from egm_core.sample.box_check import FAULTS
from egm_core.train.configuration import ConfigurationError


@dataclass(frozen=True)
class Kind:
    """One kind of wrong data: its bound, what it is and what to do, and whether such records are left out."""

    share: float
    words: str
    remedy: str
    left_out: bool = False


def _of_boxes(name: str, left_out: bool = False) -> Kind:
    return Kind(FAULTS[name].share, FAULTS[name].words, FAULTS[name].remedy, left_out)


KINDS: dict[str, Kind] = {
    "token": Kind(0, "hold a special token of the model in their text", "take it out of the text", True),
    "format": Kind(0, "have a text that breaks the answer's format", "take the tag out of the text", True),
    "image": Kind(1, "have a picture that can't be used", "see bad_images.jsonl", True),
    "size": Kind(0.01, "have a width and height that are not the picture's", "write the size as it is shown", True),
    "unit": _of_boxes("unit", left_out=True),
    **{name: _of_boxes(name) for name in ("thousandths", "xywh", "tiny", "amodal")},
    "contradiction": Kind(0.25, "ask what another asks, with another answer", "make the expression single one out"),
    "duplicate": Kind(0.25, "stand there more than once", "write each once; for weight, ask for more epochs"),
    "unasked": Kind(1, "have no question for the tasks of this run", "add their boxes, or leave them out"),
    "turned": Kind(1, "have a picture that an EXIF mark turns", "see that their boxes are for the picture as shown"),
    "deep": Kind(1, "have a picture of 16 bits a channel, of which the upper 8 are used", "see that it isn't depth"),
    "blank": Kind(1, "have a picture of one colour only", "look at the picture"),
    # Of a task's questions.
    "absent": Kind(0.9, "are about absent objects", "give the boxes (null means absent, not unknown)"),
    "reasoning": Kind(
        0.99, "have no reasoning to learn", "add it, or say reasoning=false: the model then answers directly"
    ),
}


def bounds(tolerate: Mapping[str, float]) -> dict[str, float]:
    """Give every kind's bound; ConfigurationError names a kind that there is none of, and a share beyond 0 to 1."""
    for name, share in tolerate.items():
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the kinds are {', '.join(KINDS)}"
            raise ConfigurationError(f"tolerate names {name!r}, which is no kind of wrong data; {hint}")
        if not 0 <= share <= 1:
            raise ConfigurationError(f"tolerate.{name} is {share!r}; it must be a share from 0 to 1")
    return {name: tolerate.get(name, kind.share) for name, kind in KINDS.items()}
