"""Mirror images of samples: boxes and words change sides, and the picture is flipped when it is read."""

from __future__ import annotations

import re
from dataclasses import replace

from egm_core.boxes import Box
from egm_core.sample import Sample

# A word is about a side if it is left or right, alone or put together with one of these: bright and upright are not.
_BEFORE = "top|bottom|upper|lower|front|back|rear|far|near|mid|middle|center|centre"
_AFTER = "most|hand|handed|hander|ward|wards|side|sided|er|est|ish|y|ies"
_LETTER = r"[^\W\d_]"
_SIDE = re.compile(rf"(?<!{_LETTER})((?:{_BEFORE})?)(left|right)(?=(?:{_AFTER})?(?!{_LETTER}))", re.IGNORECASE)
# "Right behind" may mean directly behind; "lt" left or light.
_DOUBTFUL = re.compile(
    rf"(?<!{_LETTER})(?:right (?:next|behind|beside|in front|under|above|below|by|after|before)"
    rf"|l|r|lt|rt|lft|rgt|\d+ ?o'?clock)(?!{_LETTER})",
    re.IGNORECASE,
)
_OTHER = {"left": "right", "right": "left"}


def mirrored_text(text: str) -> str:
    """Swap left and right in a text, word by word: leftmost and Right-hand change, bright stays."""
    return _SIDE.sub(lambda found: found[1] + _cased(_OTHER[found[2].lower()], found[2]), text)


def doubtful(text: str) -> str:
    """Give the words of a text that may be about a side or not, such as `right behind` and `lt`; empty for none."""
    found = _DOUBTFUL.search(text)
    return found[0] if found else ""


def mirrored_box(box: Box | None, width: int) -> Box | None:
    """Give a box where it is in the mirrored picture."""
    return box and _other_side(box, width)


def _other_side(box: Box, width: int) -> Box:
    return width - box[2], box[1], width - box[0], box[3]


def mirror(sample: Sample) -> Sample:
    """Give a sample's mirror image; that of the mirror image is the sample again."""
    return replace(
        sample,
        sent=mirrored_text(sample.sent),
        bbox=mirrored_box(sample.bbox, sample.width),
        amodal_bbox=mirrored_box(sample.amodal_bbox, sample.width),
        reasoning=mirrored_text(sample.reasoning),
        amodal_reasoning=mirrored_text(sample.amodal_reasoning),
        occluders=tuple(map(mirrored_text, sample.occluders)),
        occluder_boxes=tuple(_other_side(box, sample.width) for box in sample.occluder_boxes),
        mirrored=not sample.mirrored,
    )


def _cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word
