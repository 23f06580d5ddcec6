"""COCOA-cls: COCO-Amodal's regions that belong to one of COCO's 80 classes, in COCO's layout."""

from __future__ import annotations

from egm_core.data.readers.amodal.coco_amodal import LICENCE
from egm_core.data.readers.amodal.masked import arguments, reader
from egm_core.data.readers.kind import Kind

KIND = Kind(
    "cocoa-cls",
    "COCOA-cls: COCO's layout with visible_mask, invisible_mask and occlude_rate",
    LICENCE,
    arguments,
    reader("COCOA-cls", "coco_amodal|cocoa(?:[-_]cls)?", LICENCE),
    "--file COCO_amodal_val2014_with_classes.json --images coco/val2014",
)
