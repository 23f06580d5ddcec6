"""Gemini: `box_2d` with y before x, in thousandths."""

from __future__ import annotations

from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

_FORM = (
    'Output a JSON list in which each entry has the 2D bounding box in the key "box_2d", as [ymin, xmin, ymax, xmax] '
    'normalized to 0-1000, and the text label in the key "label".'
)


class Gemini(Vendor):
    """Gemini 2.x and 3.x, by Google's page on image understanding and the cookbook's notebook on boxes.

    The notebook advises a temperature of 0.5, against answers that repeat themselves.
    """

    name = "gemini"
    served = r"(?:.*[-_/])?gemini(?![a-z]).*"
    written = Frame("thousandths", "yxyx")
    box_keys = frozenset({"box2d"})
    temperature = 0.5
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Detect the 2D bounding box of {sent}. " + _FORM,
        "amodal": "Detect the 2D amodal bounding box of {sent}: around the whole object, with what is hidden. " + _FORM,
    }
