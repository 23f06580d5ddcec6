"""GPT by version: the vendor documents no frame, and what was measured best differs from one generation to the next.

The measurements are those of roboflow/inference (17 models, 10 formats, 100 pictures): a pilot on your own pictures
says more, see `egm evaluate pilot`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from egm_core.families.base import Task
from egm_core.families.vendors.frame import Frame
from egm_core.families.vendors.vendor import Vendor

_PIXELS = (
    'The value of "box_2d" is [x_min, y_min, x_max, y_max], the top-left and bottom-right corner in absolute pixel '
    "coordinates of the {width}x{height} pixel image."
)
_LIST = (
    'Output only a JSON list with one entry: its 2D bounding box in the key "box_2d", its name in "label". ' + _PIXELS
)
_KEYED = (
    'Output JSON with the key "detections", a list with one entry: its 2D bounding box in the key "box_2d", its name '
    'in "label". ' + _PIXELS
)
_SIDES = (
    'Output only JSON of this structure: {"detections": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4, '
    '"class_name": "..."}]}. All coordinates are in the range 0.0 to 1.0, as shares of the image\'s width and height.'
)


def _asked(form: str) -> dict[Task, str]:
    return {
        "visible": "Detect {sent} in this image. " + form,
        "amodal": "Detect {sent} in this image, with an amodal box: the whole object with what is hidden. " + form,
    }


class GPT4(Vendor):
    """GPT-4o and GPT-4.1, and the smallest models later on: pixels of the picture, in free JSON."""

    name = "gpt_4"
    served = r"(?:.*[-_/])?(?:gpt-4(?:o|\.[0-9])(?![0-9]).*|gpt-5\.(?:[2-9]|[1-9][0-9])-nano.*)"
    written = Frame("pixels")
    box_keys = frozenset({"box2d"})
    prompts: ClassVar[dict[Task, str]] = _asked(_LIST)


class GPT5(Vendor):
    """GPT-5, its minis, and GPT-5.1: the four sides by name, as fractions."""

    name = "gpt_5"
    served = r"(?:.*[-_/])?gpt-5(?:\.1)?(?![.0-9]).*"
    written = Frame("fractions")
    prompts: ClassVar[dict[Task, str]] = _asked(_SIDES)


class GPT52(Vendor):
    """GPT-5.2 and later: pixels of the picture, held to a strict JSON schema, with the size in the prompt."""

    name = "gpt_5_2"
    served = r"(?:.*[-_/])?gpt-(?:5\.(?:[2-9]|[1-9][0-9])|[6-9])(?!.*nano).*"
    written = Frame("pixels")
    box_keys = frozenset({"box2d"})
    prompts: ClassVar[dict[Task, str]] = _asked(_KEYED)

    @property
    def schema(self) -> dict[str, Any]:
        """The schema: a list of entries, which is empty where the object is absent."""
        box = {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}
        entry = _strict({"label": {"type": "string"}, "box_2d": box})
        return _strict({"detections": {"type": "array", "items": entry}})


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
