"""Grok: per cent of the picture."""

from __future__ import annotations

from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

_FORM = (
    'Output a JSON list with one entry for it: the 2D bounding box in the key "box_2d", as [x_min, y_min, x_max, '
    'y_max] in percent of the image\'s width and height, 0 to 100, and the text label in the key "label".'
)


class Grok(Vendor):
    """Grok with vision, as roboflow/inference asks it; xAI documents no frame."""

    name = "grok"
    served = r"(?:.*[-_/])?grok(?![a-z]).*"
    written = Frame("percent")
    box_keys = frozenset({"box2d"})
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Detect {sent} in this image. " + _FORM,
        "amodal": "Detect {sent} in this image, with an amodal box: the whole object with what is hidden. " + _FORM,
    }
