"""GLM with vision: x before y in thousandths, under either of two keys."""

from __future__ import annotations

from typing import ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

_FORM = (
    'Output a JSON list with one entry for it: the bounding box in the key "bbox_2d", as [x1, y1, x2, y2] normalized '
    'to 0-1000, and the text label in the key "label".'
)


class GLM(Vendor):
    """GLM-5V Turbo and GLM-5.3 Flash, as roboflow/inference reads them; older GLM-V models answer likewise."""

    name = "glm"
    served = r"(?:.*[-_/])?glm-?[0-9].*"
    written = Frame("thousandths")
    box_keys = frozenset({"box2d"})
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Locate {sent} in this image. " + _FORM,
        "amodal": "Locate {sent} in this image, with an amodal box: the whole object with what is hidden. " + _FORM,
    }
